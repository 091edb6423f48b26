;; The output lies in memory that did not exist when the call began.
;; expect: replace
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func (export "weir_transform") (param $len i32) (result i32)
    (local $at i32)
    (local.set $at (i32.mul (memory.grow (i32.const 3)) (i32.const 65536)))
    (i32.store (local.get $at) (i32.const 1))
    (i32.store (i32.const 1028) (local.get $at))
    (i32.store (i32.const 1032) (i32.const 8))
    (i32.const 1)))
