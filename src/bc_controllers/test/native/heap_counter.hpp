// Counts the heap calls of a thread: include it in one file of a program, and every call goes through these functions.
#pragma once

#include <cstdint>
#include <cstdlib>

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
}

namespace heap {
inline thread_local bool counting = false;
inline thread_local std::uint64_t calls = 0;
}  // namespace heap

extern "C" {
void* malloc(std::size_t size) {
  heap::calls += heap::counting ? 1 : 0;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  heap::calls += heap::counting ? 1 : 0;
  return __libc_calloc(count, size);
}
void* realloc(void* pointer, std::size_t size) {
  heap::calls += heap::counting ? 1 : 0;
  return __libc_realloc(pointer, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  heap::calls += heap::counting ? 1 : 0;
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** pointer, std::size_t alignment, std::size_t size) {
  heap::calls += heap::counting ? 1 : 0;
  *pointer = __libc_memalign(alignment, size);
  return *pointer == nullptr ? 12 : 0;
}
void free(void* pointer) {
  heap::calls += heap::counting && pointer != nullptr ? 1 : 0;
  __libc_free(pointer);
}
}
