;; Built for WASI.
;; expect: refused import
;; says: built for WASI
(module
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func (export "weir_transform") (param $len i32) (result i32)
    (i32.const 0)))
