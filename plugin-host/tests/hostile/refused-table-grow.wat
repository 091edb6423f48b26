;; A table that grows.
;; expect: refused feature
(module
  (memory (export "memory") 2)
  (table 1 funcref)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func (export "weir_transform") (param $len i32) (result i32)
    (table.grow 0 (ref.null func) (i32.const 1))))
