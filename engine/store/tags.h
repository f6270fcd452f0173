#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "codec/json.h"
#include "store/backend.h"

namespace headrace::store {

inline constexpr std::size_t kUserTagsMax = 50;
inline constexpr std::size_t kTagCharactersMax = 500;

/// Not empty, not too long, and not too many. `before` is how many the run has: a set that was too large may shrink.
Result<void> check_tags(const std::vector<std::string>& tags, std::size_t before = 0);

/// What a change of user tags makes of a run's `_self.json`: removals, then additions. Nothing if they are as they were.
class ChangeTags final : public Backend::Change {
 public:
  /// `run`: for error texts.
  ChangeTags(std::string run, const std::vector<std::string>& add, const std::vector<std::string>& remove, WallTime now);
  Result<std::optional<std::string>> apply(const std::string& before) override;

 private:
  std::string run_;
  std::vector<std::string> add_;
  std::set<std::string> remove_;
  WallTime now_;
};

/// Changes the user tags of a run: removals, then additions; adding a system tag does nothing, removing one is `misuse`.
/// Returns the run's `_self.json`. Safe against other Headrace processes of this machine.
Result<codec::Json> change_tags(Backend& meta, const FlowName& flow, const RunId& run,
                                           const std::vector<std::string>& add, const std::vector<std::string>& remove,
                                           WallTime now);

}  // namespace headrace::store
