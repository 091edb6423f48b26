;; Recursion without end through the table.
;; expect: stack_overflow
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (type $step (func (param i32) (result i32)))
  (table 1 funcref)
  (elem (i32.const 0) $down)
  (func $down (type $step)
    (call_indirect (type $step) (local.get 0) (i32.const 0)))
  (func (export "weir_transform") (param i32) (result i32)
    (call $down (local.get 0))))
