// Network namespaces for tests: each test that speaks to the kernel makes its own.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

namespace kproxy::tests {

// The calling thread is in a fresh network namespace for as long as this lives. Needs root: without
// it the test fails.
class NetworkNamespace {
 public:
  NetworkNamespace() : before_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    BOOST_REQUIRE_MESSAGE(before_ >= 0 && unshare(CLONE_NEWNET) == 0,
                          "cannot make a network namespace: run as root");
  }
  ~NetworkNamespace() {
    setns(before_, CLONE_NEWNET);
    close(before_);
  }
  NetworkNamespace(const NetworkNamespace&) = delete;
  NetworkNamespace& operator=(const NetworkNamespace&) = delete;

 private:
  int before_;
};

}  // namespace kproxy::tests
