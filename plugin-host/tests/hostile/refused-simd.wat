;; SIMD.
;; expect: refused feature
;; says: SIMD
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func (export "weir_transform") (param $len i32) (result i32)
    (i32x4.extract_lane 0 (i32x4.splat (i32.const 0)))))
