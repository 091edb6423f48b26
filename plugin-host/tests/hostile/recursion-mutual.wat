;; Recursion without end by two, one of which has many locals.
;; expect: stack_overflow
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func $a (param i32) (result i32) (local i64 i64 i64 i64 i64 i64 i64 i64)
    (call $b (local.get 0)))
  (func $b (param i32) (result i32)
    (call $a (local.get 0)))
  (func (export "weir_transform") (param i32) (result i32)
    (call $a (local.get 0))))
