;; Code that calls by a type that the pass would add.
;; expect: refused malformed
(module
  (memory (export "memory") 2)
  (table 1 funcref)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func (export "weir_transform") (param $len i32) (result i32)
    (call_indirect (type 2) (i32.const 0) (i32.const 0) (i32.const 0))))
