;; A module that says it has been metered.
;; expect: refused already_metered
(module
  (memory (export "memory") 2)
  (@custom "weir:metered" "\01\00\00\00")
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func (export "weir_transform") (param $len i32) (result i32)
    (i32.const 0)))
