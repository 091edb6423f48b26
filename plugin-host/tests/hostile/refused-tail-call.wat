;; A tail call would skip the place where depth is given back.
;; expect: refused feature
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func $f (param i32) (result i32) (local.get 0))
  (func (export "weir_transform") (param i32) (result i32) (return_call $f (local.get 0))))
