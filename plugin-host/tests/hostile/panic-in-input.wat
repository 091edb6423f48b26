;; A panic in weir_input.
;; expect: panic
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32)
    (i32.store (i32.const 2048) (i32.const 0x21736f4e))
    (i32.store (i32.const 1044) (i32.const 2048))
    (i32.store (i32.const 1048) (i32.const 4))
    unreachable)
  (func (export "weir_transform") (param $len i32) (result i32)
    (i32.const 0)))
