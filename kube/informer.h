#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/short_turns.h"
#include "base/status.h"
#include "base/synchronized.h"
#include "kube/client.h"
#include "kube/json_object.h"
#include "kube/reflector.h"
#include "kube/resource.h"

namespace berth::kube {

// A local copy of all objects of one kind, kept up to date by a watch on a thread of its own.
// Stored objects are immutable and are shared with whoever looks them up.
// Reading is thread-safe.
template <typename T>
class Informer final : private Reflector::Sink {
 public:
  using Object = std::shared_ptr<const T>;
  // `before` is null for an object that appeared, `after` for one that went.
  struct Change {
    Object before;
    Object after;
    ObjectKey key() const { return KeyOf(after != nullptr ? *after : *before); }
  };
  using Handler = std::function<void(const Change&)>;
  using Index = std::function<std::vector<std::string>(const T&)>;

  struct Options {
    Selector selector = {};
    // Cuts from an object what nobody here reads, before it is stored.
    std::function<void(T&)> trim = {};
    // Keep who wrote which field; else it is cut, being as large as the rest.
    bool keep_managed_fields = false;
    // Look-up tables by name: which values an object is found under.
    std::map<std::string, Index> indexes = {};
    // Told of each failed list or watch; the informer goes on by itself.
    std::function<void(const Status&)> on_error = {};
  };

  // `client` outlives the informer.
  Informer(ApiClient& client, Options options)
      : Informer(client, ResourceOf<T>::kResource, std::move(options)) {}
  // For a T that stands for several resources, such as JsonObject.
  Informer(ApiClient& client, const Resource& resource, Options options)
      : options_(std::move(options)),
        resource_(resource),
        reflector_(client, resource, options_.selector, *this) {}
  ~Informer() override { Stop(); }

  // Before Start. Handlers are called from the informer's thread, one change after the other, after
  // the store has it; objects of the first list appear as changes without `before`.
  void AddHandler(Handler handler) { handlers_.push_back(std::move(handler)); }
  void Start() {
    thread_ = std::thread([this] {
      TakeShortTurns();
      reflector_.Run(cancel_);
    });
  }
  // Ends the watch and the thread; no handler runs after it returned. Not to be called from a
  // handler. What is stored stays readable.
  void Stop() {
    cancel_.Cancel();
    if (thread_.joinable()) thread_.join();
  }
  // OK once the first list is stored and was handed to the handlers. DEADLINE_EXCEEDED with the
  // last failure in its message.
  Status WaitForSync(absl::Time deadline) {
    auto state = state_.Lock();
    if (state.WaitUntil(deadline, [&] { return state->synced; })) return absl::OkStatus();
    return absl::DeadlineExceededError(std::string(resource_.plural) +
                                       " are not synced: " + state->last_error.ToString());
  }

  // True when the copy shows every change up to `resource_version`, of a write to this resource.
  bool HasReached(const std::string& resource_version) {
    return !IsOlder(state_.Lock()->resource_version, resource_version);
  }

  // Null when there is no such object.
  Object Get(const ObjectKey& key) {
    auto state = state_.Lock();
    const auto found = state->objects.find(key.String());
    return found == state->objects.end() ? nullptr : found->second;
  }
  std::vector<Object> List() {
    auto state = state_.Lock();
    std::vector<Object> all;
    all.reserve(state->objects.size());
    for (const auto& [key, object] : state->objects) all.push_back(object);
    return all;
  }
  // The objects that the index `name` has under `value`.
  std::vector<Object> ByIndex(const std::string& name, const std::string& value) {
    auto state = state_.Lock();
    std::vector<Object> found;
    const auto keys = state->indexed.find({name, value});
    if (keys == state->indexed.end()) return found;
    for (const std::string& key : keys->second) found.push_back(state->objects.at(key));
    return found;
  }

 private:
  struct State {
    std::unordered_map<std::string, Object> objects;                               // by key
    std::map<std::pair<std::string, std::string>, std::set<std::string>> indexed;  // to keys
    std::string resource_version;  // empty until the first list is complete
    bool synced = false;
    Status last_error;
  };

  void ReplaceBegan() override { seen_.clear(), replacing_ = true; }
  void ReplaceEnded(const std::string& resource_version) override {
    replacing_ = false;
    std::vector<std::string> gone;
    {
      auto state = state_.Lock();
      for (const auto& [key, object] : state->objects) {
        if (!seen_.contains(key)) gone.push_back(key);
      }
    }
    for (const std::string& key : gone) Set(key, nullptr, "");
    seen_.clear();
    auto state = state_.Lock();
    state->resource_version = resource_version;
    state->synced = true;
    state.NotifyAll();
  }
  StatusOr<std::string> Store(std::string_view raw) override {
    BERTH_ASSIGN_OR_RETURN(T object, ParseMessage<T>(raw));
    if (!options_.keep_managed_fields) DropManagedFields(object);
    if (options_.trim) options_.trim(object);
    const std::string key = KeyOf(object).String();
    if (replacing_) seen_.insert(key);
    std::string version = object.metadata().resourceversion();
    // A copy, because a message keeps the memory of what was cleared from it.
    Set(key, std::make_shared<const T>(object), version);
    return version;
  }
  StatusOr<std::string> Remove(std::string_view raw) override {
    BERTH_ASSIGN_OR_RETURN(const T object, ParseMessage<T>(raw));
    seen_.erase(KeyOf(object).String());
    Set(KeyOf(object).String(), nullptr, object.metadata().resourceversion());
    return object.metadata().resourceversion();
  }
  void Reached(const std::string& resource_version) override {
    state_.Lock()->resource_version = resource_version;
  }
  void Failed(const Status& error) override {
    if (options_.on_error) options_.on_error(error);
    state_.Lock()->last_error = error;
  }

  // Stores `after` (null: removes), keeps the indexes and tells the handlers of a real change. In a
  // list the versions are in no order, so `version` counts only after one.
  void Set(const std::string& key, Object after, const std::string& version) {
    Change change{nullptr, std::move(after)};
    {
      auto state = state_.Lock();
      if (!replacing_ && !version.empty()) state->resource_version = version;
      Object& stored = state->objects[key];
      change.before = stored;
      if (change.before != nullptr) Unindex(*state, key, *change.before);
      if (change.after != nullptr) {
        AddToIndex(*state, key, *change.after);
        stored = change.after;
      } else {
        state->objects.erase(key);
      }
    }
    if (change.before == nullptr && change.after == nullptr) return;
    if (change.before != nullptr && change.after != nullptr &&
        change.before->metadata().resourceversion() == change.after->metadata().resourceversion()) {
      return;
    }
    for (const Handler& handler : handlers_) handler(change);
  }
  void AddToIndex(State& state, const std::string& key, const T& object) {
    for (const auto& [name, index] : options_.indexes) {
      for (const std::string& value : index(object)) state.indexed[{name, value}].insert(key);
    }
  }
  void Unindex(State& state, const std::string& key, const T& object) {
    for (const auto& [name, index] : options_.indexes) {
      for (const std::string& value : index(object)) {
        const auto keys = state.indexed.find({name, value});
        if (keys == state.indexed.end()) continue;
        keys->second.erase(key);
        if (keys->second.empty()) state.indexed.erase(keys);
      }
    }
  }

  const Options options_;
  const Resource resource_;
  std::vector<Handler> handlers_;
  Synchronized<State> state_;
  // Of the informer's thread alone.
  bool replacing_ = false;
  std::set<std::string> seen_;

  Reflector reflector_;
  Cancellation cancel_;
  std::thread thread_;
};

}  // namespace berth::kube
