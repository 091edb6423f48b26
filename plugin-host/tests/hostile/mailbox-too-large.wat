;; A mailbox of two gigabytes.
;; expect: protocol
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\00\00\00\80")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func (export "weir_transform") (param $len i32) (result i32)
    (i32.const 0)))
