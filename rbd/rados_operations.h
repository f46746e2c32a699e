#pragma once

#include <rados/librados.h>

namespace berth {

// Owners of librados' compound operations: what is put into one happens at once, or not at all.
// Neither copied nor moved: they live in one call.

class WriteOperation {
 public:
  WriteOperation() : op_(rados_create_write_op()) {}
  ~WriteOperation() { rados_release_write_op(op_); }
  WriteOperation(const WriteOperation&) = delete;
  WriteOperation& operator=(const WriteOperation&) = delete;
  rados_write_op_t get() const { return op_; }

 private:
  rados_write_op_t op_;
};

class ReadOperation {
 public:
  ReadOperation() : op_(rados_create_read_op()) {}
  ~ReadOperation() {
    if (iterator_ != nullptr) rados_omap_get_end(iterator_);
    rados_release_read_op(op_);
  }
  ReadOperation(const ReadOperation&) = delete;
  ReadOperation& operator=(const ReadOperation&) = delete;
  rados_read_op_t get() const { return op_; }
  // Where the operation puts what it found of an omap.
  rados_omap_iter_t* iterator() { return &iterator_; }

 private:
  rados_read_op_t op_;
  rados_omap_iter_t iterator_ = nullptr;
};

}  // namespace berth
