;; An element segment outside of the table.
;; expect: refused segment
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (table 1 funcref)
  (elem (i32.const 1) $f)
  (func $f)
  (func (export "weir_transform") (param i32) (result i32) (i32.const 0)))
