#include "codec/timestamp.h"

#include <charconv>
#include <ctime>

#include <fmt/format.h>

#include "codec/json.h"

namespace headrace::codec {

namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::microseconds;
using std::chrono::year_month_day;

struct Fields {
  int year;
  unsigned month, day;
  std::int64_t hour, minute, second, micro;
};

Fields fields_of(WallTime time) {
  const auto day = floor<days>(time);
  const year_month_day date(day);
  std::int64_t rest = (time - day).count();
  const std::int64_t micro = rest % 1'000'000;
  rest /= 1'000'000;
  return {static_cast<int>(date.year()), static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
          rest / 3600, rest / 60 % 60, rest % 60, micro};
}

/// `count` digits at `position`, nothing else; false otherwise.
bool read_digits(std::string_view text, std::size_t position, std::size_t count, unsigned& value) {
  if (position + count > text.size()) return false;
  for (std::size_t i = 0; i < count; ++i) {
    if (text[position + i] < '0' || text[position + i] > '9') return false;
  }
  (void)std::from_chars(text.data() + position, text.data() + position + count, value);
  return true;
}

}  // namespace

int local_utc_offset(WallTime time) {
  const std::time_t seconds = floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm local{};
  if (::localtime_r(&seconds, &local) == nullptr) return 0;
  return static_cast<int>(local.tm_gmtoff);
}

std::string to_iso(WallTime time) {
  const Fields f = fields_of(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}", f.year, f.month, f.day, f.hour, f.minute, f.second, f.micro);
}

std::optional<WallTime> from_iso(std::string_view text) {
  if (text.ends_with('Z')) text.remove_suffix(1);
  unsigned year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (!read_digits(text, 0, 4, year) || !read_digits(text, 5, 2, month) || !read_digits(text, 8, 2, day) ||
      !read_digits(text, 11, 2, hour) || !read_digits(text, 14, 2, minute) || !read_digits(text, 17, 2, second)) {
    return std::nullopt;
  }
  if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') return std::nullopt;
  const year_month_day date{std::chrono::year(static_cast<int>(year)), std::chrono::month(month), std::chrono::day(day)};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  unsigned micro = 0;
  if (text.size() > 19) {
    const std::size_t digits = text.size() - 20;
    if (text[19] != '.' || digits == 0 || digits > 6 || !read_digits(text, 20, digits, micro)) return std::nullopt;
    for (std::size_t i = digits; i < 6; ++i) micro *= 10;
  }
  const std::int64_t seconds = std::int64_t{hour} * 3600 + minute * 60 + second;
  return std::chrono::sys_days(date) + microseconds(seconds * 1'000'000 + micro);
}

std::string to_console_time(WallTime time, UtcOffset offset) {
  const Fields f = fields_of(time + std::chrono::seconds(offset(time)));
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}", f.year, f.month, f.day, f.hour, f.minute, f.second, f.micro / 1000);
}

std::string to_epoch_seconds(WallTime time) {
  return python_float(static_cast<double>(time.time_since_epoch().count()) / 1e6);
}

}  // namespace headrace::codec
