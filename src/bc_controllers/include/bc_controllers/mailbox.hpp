// Hand-over between threads without locks, in storage that is made once.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>
#include <vector>

namespace bc {

// Ring for one writing and one reading thread. Slots are written and read in place; a reader may also swap a slot's
// value against one of its own, so that big values change hands without a copy.
template <typename T>
class Mailbox {
 public:
  explicit Mailbox(std::size_t capacity, const T& prototype = T()) : slots_(capacity + 1, prototype) {}

  // Writer: a slot to fill, or null when the ring is full; commit() hands it over.
  T* begin_write() {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (next(tail) == head_.load(std::memory_order_acquire)) return nullptr;
    return &slots_[tail];
  }
  void commit() { tail_.store(next(tail_.load(std::memory_order_relaxed)), std::memory_order_release); }
  bool push(const T& value) {
    T* slot = begin_write();
    if (slot == nullptr) return false;
    *slot = value;
    commit();
    return true;
  }

  // Reader: the oldest value, or null; pop() gives its slot back.
  T* front() {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return nullptr;
    return &slots_[head];
  }
  void pop() { head_.store(next(head_.load(std::memory_order_relaxed)), std::memory_order_release); }

  // What another ring of the same capacity holds. Nobody may write or read either of them meanwhile.
  void copy_from(const Mailbox& other) {
    slots_ = other.slots_;
    head_.store(other.head_.load());
    tail_.store(other.tail_.load());
  }

 private:
  std::size_t next(std::size_t index) const { return index + 1 == slots_.size() ? 0 : index + 1; }

  std::vector<T> slots_;
  alignas(64) std::atomic<std::size_t> head_{0};
  alignas(64) std::atomic<std::size_t> tail_{0};
};

// The newest value only (triple buffer): the writer never waits, the reader always sees a whole value.
template <typename T>
class Latest {
 public:
  explicit Latest(const T& prototype = T()) : slots_(3, prototype) {}

  // Writer: fill writable(), then publish(). What writable() held before is stale.
  T& writable() { return slots_[back_]; }
  void publish() { back_ = shared_.exchange(back_ | kFresh, std::memory_order_acq_rel) & kIndex; }

  // Reader: the newest published value; valid until the next call.
  const T& read() {
    if (shared_.load(std::memory_order_relaxed) & kFresh) {
      front_ = shared_.exchange(front_, std::memory_order_acq_rel) & kIndex;
      filled_ = true;
    }
    return slots_[front_];
  }
  // Reader: whether read() has ever returned a published value.
  bool filled() const { return filled_; }

 private:
  static constexpr unsigned kIndex = 3;
  static constexpr unsigned kFresh = 4;

  std::vector<T> slots_;
  unsigned back_ = 0;   // writer's
  unsigned front_ = 1;  // reader's
  bool filled_ = false;
  std::atomic<unsigned> shared_{2};
};

}  // namespace bc
