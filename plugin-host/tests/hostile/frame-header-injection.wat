;; A header value with a line break.
;; expect: bad_frame
;; says: control characters
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func (export "weir_transform") (param $len i32) (result i32)
    (i32.store (i32.const 2048) (i32.const 1))
    (i32.store (i32.const 2052) (i32.const 1))
    (i32.store (i32.const 2056) (i32.const 7))
    (i32.store (i32.const 2060) (i32.const 20))
    (i32.store (i32.const 2064) (i32.const 16))
    (i32.store (i32.const 2068) (i32.const 1))
    (i32.store (i32.const 2072) (i32.const 1))
    (i32.store (i32.const 2076) (i32.const 3))
    (i32.store (i32.const 2080) (i32.const 97))
    (i32.store (i32.const 2080) (i32.const 0x0a0d6261))
    (i32.store (i32.const 1028) (i32.const 2048))
    (i32.store (i32.const 1032) (i32.const 36))
    (i32.const 1)))
