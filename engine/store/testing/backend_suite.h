#pragma once

#include "store/backend.h"

namespace headrace::store::testing {

/// What every Backend must do, checked with EXPECTs on an empty one. Each test of a backend calls all of them.
void expect_objects_replace_and_keep(Backend& backend);
void expect_trees_appear_whole(Backend& backend);
void expect_streams_publish_at_commit(Backend& backend);
void expect_one_of_many_writers_wins(Backend& backend);
void expect_updates_lose_nothing(Backend& backend);
void expect_bad_keys_are_refused(Backend& backend);

}  // namespace headrace::store::testing
