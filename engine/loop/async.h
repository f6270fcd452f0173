#pragma once

#include <boost/asio/awaitable.hpp>

namespace headrace::loop {

/// A sequence of I/O that gives a T. Starts when it is awaited (or given to EventLoop::spawn), runs on the loop thread.
///
/// Take parameters by value: a reference dangles after the first `co_await`. Expected failures are values
/// (`Async<Result<T>>`); an exception that leaves a spawned coroutine stops the process.
template <class T>
using Async = boost::asio::awaitable<T>;

}  // namespace headrace::loop
