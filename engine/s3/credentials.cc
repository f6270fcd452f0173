#include "s3/credentials.h"

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <memory>

#include <aws/sdkutils/aws_profile.h>
#include <fmt/format.h>

namespace headrace::s3 {
namespace {

/// Long enough for a slow sign-on service, short enough to be told the same minute.
constexpr std::chrono::seconds kAskMax{20};
/// How long found credentials are used before their source is asked again, unless they end earlier.
constexpr std::uint64_t kRefreshMs = 15UL * 60 * 1000;

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

std::string profile_name() {
  for (const char* name : {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"}) {
    if (is_set(name)) return std::getenv(name);
  }
  return "default";
}

/// What a source answers; shared with the callback, which may come after we stopped waiting.
struct Question {
  std::mutex mutex;
  std::condition_variable changed;
  bool answered = false;
  bool given = false;
  int error = 0;
};

void on_credentials(aws_credentials* credentials, int error, void* user_data) {
  const std::unique_ptr<std::shared_ptr<Question>> held{static_cast<std::shared_ptr<Question>*>(user_data)};
  Question& question = **held;
  const std::lock_guard lock{question.mutex};
  question.answered = true;
  question.given = credentials != nullptr;
  question.error = error;
  question.changed.notify_all();
}

/// Empty when the source gives credentials, else why it does not.
std::string ask(aws_credentials_provider* source) {
  auto question = std::make_shared<Question>();
  auto* held = new std::shared_ptr<Question>{question};
  if (aws_credentials_provider_get_credentials(source, on_credentials, held) != AWS_OP_SUCCESS) {
    delete held;
    return aws_error_str(aws_last_error());
  }
  std::unique_lock lock{question->mutex};
  if (!question->changed.wait_for(lock, kAskMax, [&] { return question->answered; })) {
    return fmt::format("no answer within {} s", kAskMax.count());
  }
  if (question->given) return "";
  return question->error == 0 ? "it gave none" : aws_error_str(question->error);
}

struct Place {
  std::string name;
  std::string absent;  ///< why it is not worth asking; empty if it is
  std::function<Result<aws_credentials_provider*>()> make;  ///< null when it is not configured
};

Place environment() {
  Place place{.name = "the environment", .absent = {}, .make = []() -> Result<aws_credentials_provider*> {
    const aws_credentials_provider_environment_options options{};
    return aws_credentials_provider_new_environment(aws_default_allocator(), &options);
  }};
  if (!is_set("AWS_ACCESS_KEY_ID")) place.absent = "AWS_ACCESS_KEY_ID is not set";
  else if (!is_set("AWS_SECRET_ACCESS_KEY")) place.absent = "AWS_SECRET_ACCESS_KEY is not set";
  return place;
}

Place profile(const Runtime& runtime) {
  return Place{.name = fmt::format("profile `{}` of ~/.aws", profile_name()), .absent = {}, .make = [&runtime]() -> Result<aws_credentials_provider*> {
    aws_credentials_provider_profile_options options{};
    options.bootstrap = runtime.bootstrap();
    options.tls_ctx = HR_TRY(runtime.tls());
    return aws_credentials_provider_new_profile(aws_default_allocator(), &options);
  }};
}

Place single_sign_on(const Runtime& runtime) {
  return Place{.name = fmt::format("SSO of profile `{}`", profile_name()), .absent = {}, .make = [&runtime]() -> Result<aws_credentials_provider*> {
    aws_credentials_provider_sso_options options{};
    options.bootstrap = runtime.bootstrap();
    options.tls_ctx = HR_TRY(runtime.tls());
    return aws_credentials_provider_new_sso(aws_default_allocator(), &options);
  }};
}

Place web_identity(const Runtime& runtime) {
  Place place{.name = "web identity", .absent = {}, .make = [&runtime]() -> Result<aws_credentials_provider*> {
    aws_credentials_provider_sts_web_identity_options options{};
    options.bootstrap = runtime.bootstrap();
    options.tls_ctx = HR_TRY(runtime.tls());
    return aws_credentials_provider_new_sts_web_identity(aws_default_allocator(), &options);
  }};
  if (!is_set("AWS_WEB_IDENTITY_TOKEN_FILE")) place.absent = "AWS_WEB_IDENTITY_TOKEN_FILE is not set";
  return place;
}

Place container(const Runtime& runtime) {
  Place place{.name = "the container", .absent = {}, .make = [&runtime]() -> Result<aws_credentials_provider*> {
    aws_credentials_provider_ecs_environment_options options{};
    options.bootstrap = runtime.bootstrap();
    options.tls_ctx = HR_TRY(runtime.tls());
    return aws_credentials_provider_new_ecs_from_environment(aws_default_allocator(), &options);
  }};
  if (!is_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") && !is_set("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
    place.absent = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set";
  }
  return place;
}

Place instance(const Runtime& runtime) {
  Place place{.name = "instance metadata", .absent = {}, .make = [&runtime]() -> Result<aws_credentials_provider*> {
    aws_credentials_provider_imds_options options{};
    options.bootstrap = runtime.bootstrap();
    return aws_credentials_provider_new_imds(aws_default_allocator(), &options);
  }};
  if (is_set("AWS_EC2_METADATA_DISABLED") && std::string_view{std::getenv("AWS_EC2_METADATA_DISABLED")} != "false") {
    place.absent = "AWS_EC2_METADATA_DISABLED is set";
  }
  return place;
}

Provider cached(aws_credentials_provider* source) {
  aws_credentials_provider_cached_options options{};
  options.source = source;
  options.refresh_time_in_milliseconds = kRefreshMs;
  return Provider{aws_credentials_provider_new_cached(aws_default_allocator(), &options)};
}

Provider anonymous() {
  return Provider{aws_credentials_provider_new_anonymous(aws_default_allocator(), nullptr)};
}

}  // namespace

Result<Provider> Credentials::source() {
  const std::lock_guard lock{mutex_};
  if (found_) return Provider{aws_credentials_provider_acquire(found_.get())};
  if (anonymous_) {
    found_ = anonymous();
    origin_ = "nowhere (anonymous)";
    return Provider{aws_credentials_provider_acquire(found_.get())};
  }
  std::string tried;
  for (const Place& place : {environment(), profile(runtime_), single_sign_on(runtime_), web_identity(runtime_), container(runtime_),
                             instance(runtime_)}) {
    std::string why = place.absent;
    if (why.empty()) {
      aws_credentials_provider* made = HR_TRY(place.make());
      const Provider source{made};
      why = source ? ask(source.get()) : "not configured";
      if (why.empty()) {
        found_ = cached(source.get());
        origin_ = place.name;
        return Provider{aws_credentials_provider_acquire(found_.get())};
      }
    }
    tried += fmt::format("{}{}: {}", tried.empty() ? "" : "; ", place.name, why);
  }
  return Error{.kind = Kind::denied,
               .what = "there are no credentials for S3",
               .why = "tried " + tried,
               .next = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine or the pod's service "
                       "account a role; for public data HEADRACE_S3_ANONYMOUS=1"};
}

void Credentials::forget() {
  const std::lock_guard lock{mutex_};
  found_.reset();
}

std::string Credentials::origin() const {
  const std::lock_guard lock{mutex_};
  return origin_;
}

std::string region_of_profile() {
  start_library();
  const Held<aws_string, aws_string_destroy> path{aws_get_config_file_path(aws_default_allocator(), nullptr)};
  if (!path) return "";
  const Held<aws_profile_collection, aws_profile_collection_release> profiles{
      aws_profile_collection_new_from_file(aws_default_allocator(), path.get(), AWS_PST_CONFIG)};
  if (!profiles) return "";
  const Held<aws_string, aws_string_destroy> name{aws_string_new_from_c_str(aws_default_allocator(), profile_name().c_str())};
  const aws_profile* found = aws_profile_collection_get_profile(profiles.get(), name.get());
  if (found == nullptr) return "";
  const Held<aws_string, aws_string_destroy> key{aws_string_new_from_c_str(aws_default_allocator(), "region")};
  const aws_profile_property* property = aws_profile_get_property(found, key.get());
  return property == nullptr ? "" : std::string{view(aws_profile_property_get_value(property))};
}

}  // namespace headrace::s3
