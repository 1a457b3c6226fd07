#include "runtime/source/api_server.h"

#include <sys/epoll.h>

#include <array>
#include <list>
#include <random>
#include <utility>

#include "runtime/source/resource_watch.h"

namespace kproxy::source {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kPostPatience = std::chrono::seconds(30);
constexpr std::size_t kMostPosts = 32;  // waiting at a time

enum : std::size_t { kServices, kSlices, kNode, kServiceCidrs, kResources };

// The selectors leave to others what is not for a Service proxy.
std::array<Resource, kResources> resources(const std::string& node) {
  return {{
      {"Service", "/api/v1/services", "!service.kubernetes.io/service-proxy-name",
       "spec.clusterIP!=None", false, true},  // servers before 1.31 do not know the field
      {"EndpointSlice", "/apis/discovery.k8s.io/v1/endpointslices",
       "!service.kubernetes.io/headless", "", false, false},
      {"Node", "/api/v1/nodes", "", "metadata.name=" + node, false, false},
      {"ServiceCIDR", "/apis/networking.k8s.io/v1/servicecidrs", "", "", true, false},
  }};
}

// "10.0.0.1:6443" of "https://10.0.0.1:6443/path".
std::string host_of(const std::string& url) {
  const std::size_t scheme = url.find("://");
  const std::size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  return url.substr(begin, url.find('/', begin) - begin);
}

// An event on its way to the server.
class Post final : public HttpAnswer {
 public:
  Post(const ClusterEvent& event, const std::string& node, Session& session)
      : session_(session), event_(event.regarding.name + ": " + event.reason) {
    request_.method = "POST";
    request_.target = event_path(event);
    request_.body = event_body(event, node, std::chrono::system_clock::now());
  }
  ~Post() override {
    if (id_) session_.http.cancel(*id_);
  }
  Post(const Post&) = delete;
  Post& operator=(const Post&) = delete;

  bool ended() const { return ended_; }
  std::optional<Time> next() const {
    if (!id_) return std::nullopt;
    return begun_ + kPostPatience;
  }

  void work(Time now) {
    if (id_ && now >= begun_ + kPostPatience) {
      session_.http.cancel(*std::exchange(id_, std::nullopt));
      observe("<error>", now);
      fail("has not answered");
    }
    if (id_ || ended_) return;
    const auto identity = session_.credentials.identity(now);
    if (!identity) return fail(identity.error().message());
    if (!identity->has_value()) return;
    begun_ = now;
    id_ = session_.http.start(request_, **identity, *this);
  }

 private:
  void on_status(int code, std::optional<std::chrono::seconds>) override {
    code_ = code;
    observe(std::to_string(code), Clock::now());
  }
  bool on_body(std::string_view) override { return true; }
  void on_end(bool, const std::string& trouble) override {
    id_.reset();
    ended_ = true;
    if (code_ == 0) observe("<error>", Clock::now());
    if (code_ == 0) return fail(trouble);
    if (code_ >= 300) fail("refuses with " + std::to_string(code_));
  }

  void observe(std::string code, Time now) {
    session_.observations.requests.push_back(
        {request_.method, std::move(code), session_.host, now - begun_});
  }
  void fail(std::string what) {
    ended_ = true;
    session_.observations.troubles.push_back(
        {"API server: event about " + event_, std::move(what), "it is not posted again"});
  }

  Session& session_;
  const std::string event_;
  HttpRequest request_;
  std::optional<HttpClient::Id> id_;
  Time begun_{};
  int code_ = 0;
  bool ended_ = false;
};

}  // namespace

class ApiServer::Impl {
 public:
  Impl(const config::ApiAccess& access, std::string node, std::unique_ptr<HttpClient> http,
       snapshot::StringPool& pool)
      : access_(access),
        node_(std::move(node)),
        http_(std::move(http)),
        credentials_(access_, poller_),
        session_{*http_, credentials_, host_of(access.server), {}, nullptr, nullptr},
        random_(std::random_device()()) {
    const Reflector::Random random = [this] { return std::uniform_real_distribution<>()(random_); };
    for (Resource& resource : resources(node_))
      watches_.emplace_back(std::move(resource), random, pool, session_);
    poller_.watch(http_->fd(), EPOLLIN);
    poller_.set_timer(std::chrono::nanoseconds(0));
  }

  Status status() const { return poller_.status(); }
  int fd() const { return poller_.fd(); }

  void work(snapshot::Snapshot& snapshot, snapshot::Diagnostics& diagnostics) {
    session_.snapshot = &snapshot;
    session_.diagnostics = &diagnostics;
    http_->work();
    const Time now = Clock::now();
    credentials_.work(now);
    for (ResourceWatch& watch : watches_) watch.work(now);
    for (Post& post : posts_) post.work(now);
    posts_.remove_if([](const Post& post) { return post.ended(); });
    set_timer(now);
    session_.snapshot = nullptr;
    session_.diagnostics = nullptr;
  }

  bool listed(std::size_t resource) const {
    return std::next(watches_.begin(), static_cast<std::ptrdiff_t>(resource))->listed();
  }
  Observations take_observations() { return std::exchange(session_.observations, {}); }

  void post_event(const ClusterEvent& event) {
    if (posts_.size() == kMostPosts) posts_.pop_front();
    posts_.emplace_back(event, node_, session_);
    poller_.set_timer(std::chrono::nanoseconds(0));
  }
  bool posting() const { return !posts_.empty(); }

 private:
  void set_timer(Time now) {
    std::optional<Time> next = credentials_.next();
    const auto consider = [&next](std::optional<Time> time) {
      if (time && (!next || *time < *next)) next = time;
    };
    for (const ResourceWatch& watch : watches_) consider(watch.next());
    for (const Post& post : posts_) consider(post.next());
    if (next)
      poller_.set_timer(*next - now);
    else
      poller_.set_timer(std::nullopt);
  }

  const config::ApiAccess access_;
  const std::string node_;
  Poller poller_;
  const std::unique_ptr<HttpClient> http_;
  Credentials credentials_;
  Session session_;
  std::mt19937_64 random_;
  std::list<ResourceWatch> watches_;  // in the order of the resources
  std::list<Post> posts_;
};

Result<std::unique_ptr<ApiServer>> ApiServer::open(const config::ApiAccess& access,
                                                   std::string node, snapshot::StringPool& pool) {
  auto http = HttpClient::open(access, "kproxy/" KPROXY_VERSION);
  if (!http) return http.error();
  auto impl = std::make_unique<Impl>(access, std::move(node), std::move(*http), pool);
  if (const Status status = impl->status(); !status) return status.error();
  return std::unique_ptr<ApiServer>(new ApiServer(std::move(impl)));
}

ApiServer::ApiServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ApiServer::~ApiServer() = default;

int ApiServer::fd() const {
  return impl_->fd();
}

void ApiServer::work(snapshot::Snapshot& snapshot, snapshot::Diagnostics& diagnostics) {
  impl_->work(snapshot, diagnostics);
}

bool ApiServer::complete() const {
  return impl_->listed(kServices) && impl_->listed(kSlices);
}

bool ApiServer::service_cidrs_listed() const {
  return impl_->listed(kServiceCidrs);
}

bool ApiServer::node_listed() const {
  return impl_->listed(kNode);
}

Observations ApiServer::take_observations() {
  return impl_->take_observations();
}

void ApiServer::post_event(const ClusterEvent& event) {
  impl_->post_event(event);
}

bool ApiServer::posting() const {
  return impl_->posting();
}

}  // namespace kproxy::source
