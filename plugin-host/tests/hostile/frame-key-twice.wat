;; Two bodies.
;; expect: bad_frame
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func (export "weir_transform") (param $len i32) (result i32)
    (i32.store (i32.const 2048) (i32.const 1))
    (i32.store (i32.const 2052) (i32.const 2))
    (i32.store (i32.const 2056) (i32.const 9))
    (i32.store (i32.const 2060) (i32.const 0))
    (i32.store (i32.const 2064) (i32.const 1))
    (i32.store (i32.const 2068) (i32.const 9))
    (i32.store (i32.const 2072) (i32.const 0))
    (i32.store (i32.const 2076) (i32.const 2))
    (i32.store (i32.const 1028) (i32.const 2048))
    (i32.store (i32.const 1032) (i32.const 32))
    (i32.const 1)))
