#include "run/live_attempt.h"

#include "run/pod_attempt.h"
#include "run/worker_team.h"

namespace headrace::run {

LiveAttempt::LiveAttempt(loop::EventLoop& loop) : serving(loop), reading(loop), output_ended(loop) {}
LiveAttempt::~LiveAttempt() = default;

}  // namespace headrace::run
