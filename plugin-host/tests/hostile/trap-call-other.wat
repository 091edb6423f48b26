;; An indirect call with another signature.
;; expect: trap
;; says: indirect call
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (table 1 funcref)
  (elem (i32.const 0) $f)
  (func $f (param i64))
  (func (export "weir_transform") (param i32) (result i32)
    (call_indirect (result i32) (i32.const 0))))
