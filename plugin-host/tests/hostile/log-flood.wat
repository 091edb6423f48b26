;; A log of a megabyte: the end of it is kept.
;; expect: unchanged
(module
  (memory (export "memory") 20)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func (export "weir_transform") (param $len i32) (result i32)
    (local $at i32)
    (memory.fill (i32.const 131072) (i32.const 0x61) (i32.const 1048576))
    (local.set $at (i32.const 131072))
    (loop
      (i32.store16 (i32.add (local.get $at) (i32.const 999)) (i32.const 0x030a))
      (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1000))) (i32.const 1179000))))
    (i32.store (i32.const 1036) (i32.const 131072))
    (i32.store (i32.const 1040) (i32.const 1048576))
    (i32.const 0)))
