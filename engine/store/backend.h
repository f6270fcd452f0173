#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace headrace::store {

/// One stored object: its key below the backend's root (or below a tree's root), and its bytes.
struct Object {
  std::string key;
  std::string bytes;
};

/// How a blob's bytes are stored.
enum class BlobForm {
  gzip,  ///< or raw, if the first bytes say so: what says the form may be lost
  raw,
};

class Backend;

/// An object open for reading. One thread at a time.
class ObjectReader {
 public:
  virtual ~ObjectReader() = default;
  /// Up to buffer.size() next bytes; 0 at the end.
  virtual Result<std::size_t> read(std::span<char> buffer) = 0;
  /// Stored size in bytes.
  [[nodiscard]] virtual std::uint64_t size() const = 0;
};

/// An object being written. Nothing is visible before `commit`; dropping it leaves nothing. One thread at a time.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  virtual Result<void> write(std::string_view bytes) = 0;
  /// Publishes the object under `key`. False if one exists there: that one stays.
  virtual Result<bool> commit_new(const std::string& key) = 0;
  /// As `commit_new`, for a blob: see `Backend::put_blob`. `backend` is the one that made the writer.
  virtual Result<bool> commit_blob(Backend& backend, const std::string& key, BlobForm form);
};

/// An object that grows at its end: a log. Nobody else writes it. One thread at a time.
class ObjectAppender {
 public:
  virtual ~ObjectAppender() = default;
  /// Stores `bytes` after what is there and takes them out of `bytes`; what an error has kept from being stored stays in it.
  /// Nothing is stored, and that is no error, while the object's directory is not there: who makes it does so in one move.
  virtual Result<void> append(std::string& bytes) = 0;
  /// The same for the last bytes, perhaps none: the directory and the object exist afterwards.
  virtual Result<void> finish(std::string& bytes) = 0;
  /// How long to gather bytes before the next `append`: one may cost more than it stores.
  [[nodiscard]] virtual Duration pause() const = 0;
};

/// Bytes by key, under one root. Keys are relative paths with `/`; no component is empty, `.` or `..`, and none starts with
/// `.` (such names belong to the backend). Every function may be called from any thread, blocks, and either does the whole
/// of what it says or leaves what was there.
class Backend {
 public:
  virtual ~Backend() = default;

  /// Writes a whole object; replaces one that exists.
  virtual Result<void> put(const std::string& key, std::string_view bytes) = 0;
  /// Writes a whole object if none exists under the key. False if one does: exactly one of several writers gets true.
  virtual Result<bool> put_new(const std::string& key, std::string_view bytes) = 0;
  /// Writes several objects below `directory` (keys relative to it), replacing what exists. If `directory` does not exist,
  /// all of them appear in one moment; else each in its own, in the order given.
  virtual Result<void> put_tree(const std::string& directory, std::span<const Object> objects) = 0;
  /// As `put_tree`, for a directory that must not exist: false (and nothing written) if it does.
  virtual Result<bool> put_new_tree(const std::string& directory, std::span<const Object> objects) = 0;
  /// As `put_new_tree`; if the directory exists, those of the objects that are not in it, one by one.
  Result<void> put_missing(const std::string& directory, std::span<const Object> objects) {
    if (HR_TRY(put_new_tree(directory, objects))) return {};
    for (const Object& object : objects) HR_TRY(put_new(directory + "/" + object.key, object.bytes));
    return {};
  }

  /// The whole object; error `missing` if there is none.
  virtual Result<std::string> get(const std::string& key) = 0;
  virtual Result<std::unique_ptr<ObjectReader>> open(const std::string& key) = 0;
  /// A writer whose object will be committed to a key below `directory`.
  virtual Result<std::unique_ptr<ObjectWriter>> create(const std::string& directory) = 0;
  /// An object to append to. As given here it keeps all bytes and replaces the object by them, at a pace.
  virtual std::unique_ptr<ObjectAppender> appender(const std::string& key);
  /// Size of the object, nullopt if there is none.
  virtual Result<std::optional<std::uint64_t>> size(const std::string& key) = 0;

  /// Blobs are objects that never change and that carry their form. Here it is in a marker beside the object, `KEY_meta`, written
  /// before it: a marker alone says nothing. A backend that can keep it with the object does that instead.
  ///
  /// Writes a blob if there is none under the key. False if there is: that one stays, with its form.
  virtual Result<bool> put_blob(const std::string& key, std::string_view bytes, BlobForm form);
  struct Blob {
    std::unique_ptr<ObjectReader> reader;
    BlobForm form = BlobForm::gzip;
  };
  virtual Result<Blob> open_blob(const std::string& key);
  /// Whether a blob of that size should be looked for (`size`) before it is written, since it is likely to be there and a look
  /// costs less than the bytes.
  [[nodiscard]] virtual bool looks_first(std::uint64_t /*size*/) const { return true; }

  /// Removes the object; nothing happens if there is none.
  virtual Result<void> remove(const std::string& key) = 0;

  struct Entry {
    std::string name;
    bool directory = false;
  };
  /// What is directly below `directory`, by name; empty if it does not exist.
  virtual Result<std::vector<Entry>> list(const std::string& directory) = 0;

  /// Replaces an object by what `change` makes of it, while no other `update` of this key runs, in any process of this
  /// machine. `change` may fail: then nothing is written. Error `missing` if there is no object. Returns the new bytes.
  class Change {
   public:
    virtual ~Change() = default;
    /// The new bytes, or nullopt to leave the object.
    virtual Result<std::optional<std::string>> apply(const std::string& before) = 0;
  };
  virtual Result<std::string> update(const std::string& key, Change& change) = 0;

  /// How many requests at a time are worth having: more than one where each is mostly waiting. For `together`.
  [[nodiscard]] virtual std::size_t at_once() const { return 1; }

  /// Asks the storage once whether it can do all this; for the start of a run. Error `misuse` says what it cannot.
  virtual Result<void> check() { return {}; }

  /// Ends what waits for the storage with error `failed`, and refuses what comes: for a process that has to leave while storage
  /// does not answer. Nothing where nothing waits (a directory).
  virtual void stop() {}

  /// How a person finds the object: a path or URL.
  [[nodiscard]] virtual std::string location(const std::string& key) const = 0;
};

}  // namespace headrace::store
