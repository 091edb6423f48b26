;; An export is of another kind.
;; expect: refused export
;; says: weir_input
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (global (export "weir_input") i32 (i32.const 0))
  (func (export "weir_transform") (param $len i32) (result i32)
    (i32.const 0)))
