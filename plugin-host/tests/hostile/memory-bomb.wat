;; Takes all memory it can get, touches it, and gives up when there is no more.
;; expect: memory_limit
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func (export "weir_transform") (param $len i32) (result i32)
    (loop
      (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then
        (i32.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)) (i32.const 1))
        (br 1))))
    unreachable))
