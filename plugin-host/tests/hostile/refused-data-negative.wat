;; A data segment at -1.
;; expect: refused segment
(module
  (memory (export "memory") 2)
  (data (i32.const -1) "")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func (export "weir_transform") (param $len i32) (result i32)
    (i32.const 0)))
