;; An export with the name of the fuel.
;; expect: refused reserved
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (global (export "weir:fuel") (mut i64) (i64.const 99))
  (func (export "weir_transform") (param i32) (result i32) (i32.const 0)))
