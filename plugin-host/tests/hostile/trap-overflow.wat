;; The quotient does not fit.
;; expect: trap
;; says: does not fit
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func (export "weir_transform") (param $len i32) (result i32)
    (i32.div_s (i32.const -2147483648) (i32.sub (i32.eqz (local.get $len)) (i32.const 1)))))
