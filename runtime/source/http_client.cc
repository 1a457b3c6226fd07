#include "runtime/source/http_client.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <map>
#include <vector>

#include "runtime/source/poller.h"
#include "runtime/source/trouble_text.h"

namespace kproxy::source {
namespace {

constexpr long kConnectMilliseconds = 10'000;  // TCP and TLS
// A peer that has vanished is noticed after about a minute in which nothing is acknowledged.
constexpr long kKeepaliveIdleSeconds = 30;
constexpr long kKeepaliveIntervalSeconds = 10;
constexpr unsigned kUnacknowledgedMilliseconds = 60'000;
constexpr long kIdleConnections = 8;
constexpr long kCaCacheSeconds = 60;  // the CA's file may be replaced

// libcurl's own state of the process; counted by libcurl.
struct Global {
  Global() { curl_global_init(CURL_GLOBAL_DEFAULT); }
  ~Global() { curl_global_cleanup(); }
  Global(const Global&) = delete;
  Global& operator=(const Global&) = delete;
};

class Headers {
 public:
  Headers() = default;
  ~Headers() { curl_slist_free_all(list_); }
  Headers(const Headers&) = delete;
  Headers& operator=(const Headers&) = delete;
  void add(const std::string& line) { list_ = curl_slist_append(list_, line.c_str()); }
  curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

// One request and what belongs to it.
struct Transfer {
  explicit Transfer(HttpAnswer& answer) : easy(curl_easy_init()), answer(answer) {}
  ~Transfer() { curl_easy_cleanup(easy); }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  Headers headers;
  Headers connect_to;
  CURL* easy;
  HttpAnswer& answer;
  bool status_told = false;
  char error[CURL_ERROR_SIZE] = {};
};

// Where the server is, in the parts that libcurl wants apart.
struct Server {
  std::string url;         // that requests are sent to
  std::string host_line;   // empty: what the URL says
  std::string connect_to;  // empty: where the URL says
};

std::string part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  std::string part_text(text);
  curl_free(text);
  return part_text;
}

Result<Server> locate(const config::ApiAccess& access) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), curl_url_cleanup);
  if (const auto code = curl_url_set(url.get(), CURLUPART_URL, access.server.c_str(), 0))
    return Error{"API server", "\"" + access.server + "\" is no URL: " + curl_url_strerror(code),
                 "it looks like https://10.0.0.1:6443"};
  Server server{access.server, "", ""};
  if (access.tls_server_name.empty()) return server;
  // libcurl verifies the certificate against the URL's host: so that is the name, and the
  // connection goes to the host.
  const std::string host = part_of(url.get(), CURLUPART_HOST);
  const std::string port = part_of(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  const bool default_port = part_of(url.get(), CURLUPART_PORT).empty();
  server.host_line = "Host: " + host + (default_port ? "" : ":" + port);
  server.connect_to = "::" + host + ":" + port;
  if (curl_url_set(url.get(), CURLUPART_HOST, access.tls_server_name.c_str(), 0) != CURLUE_OK)
    return Error{"API server", "\"" + access.tls_server_name + "\" is no name of a TLS server", ""};
  server.url = part_of(url.get(), CURLUPART_URL);
  if (server.url.ends_with('/')) server.url.pop_back();
  return server;
}

void set_pem(CURL* easy, const config::Pem& pem, CURLoption file, CURLoption blob) {
  if (!pem.text.empty()) {
    curl_blob text{const_cast<char*>(pem.text.data()), pem.text.size(), CURL_BLOB_COPY};
    curl_easy_setopt(easy, blob, &text);
  } else if (!pem.file.empty()) {
    curl_easy_setopt(easy, file, pem.file.c_str());
  }
}

int on_socket_made(void*, curl_socket_t socket, curlsocktype) {
  setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnacknowledgedMilliseconds,
             sizeof kUnacknowledgedMilliseconds);
  return CURL_SOCKOPT_OK;
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(data, size);
  if (transfer.status_told || !(line == "\r\n" || line == "\n")) return size;
  long code = 0;
  curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &code);
  if (code < 200) return size;
  curl_off_t seconds = 0;
  curl_easy_getinfo(transfer.easy, CURLINFO_RETRY_AFTER, &seconds);
  transfer.status_told = true;
  transfer.answer.on_status(
      static_cast<int>(code),
      seconds > 0 ? std::optional(std::chrono::seconds(seconds)) : std::nullopt);
  return size;
}

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  // Less than all ends the request.
  return static_cast<Transfer*>(user)->answer.on_body({data, size}) ? size : 0;
}

class CurlClient final : public HttpClient {
 public:
  CurlClient(const config::ApiAccess& access, Server server, std::string user_agent)
      : access_(access),
        server_(std::move(server)),
        user_agent_(std::move(user_agent)),
        multi_(curl_multi_init()) {}
  ~CurlClient() override {
    for (const auto& [id, transfer] : transfers_) curl_multi_remove_handle(multi_, transfer->easy);
    transfers_.clear();
    curl_multi_cleanup(multi_);
  }

  Status prepare();
  int fd() const override { return poller_.fd(); }
  void work() override;
  Id start(const HttpRequest& request, const Identity& identity, HttpAnswer& answer) override;
  void cancel(Id id) override;

 private:
  static int on_socket(CURL*, curl_socket_t socket, int what, void* user, void*);
  static int on_timer(CURLM*, long milliseconds, void* user);
  void set_connection(Transfer& transfer) const;
  void set_identity(Transfer& transfer, const Identity& identity) const;
  void end_finished();

  const Global global_;
  const config::ApiAccess access_;
  const Server server_;
  const std::string user_agent_;
  Poller poller_;
  CURLM* multi_;
  std::map<Id, std::unique_ptr<Transfer>> transfers_;
  Id last_id_ = 0;
};

Status CurlClient::prepare() {
  if (const Status status = poller_.status(); !status) return status;
  if (multi_ == nullptr) return Error{"API server", "libcurl does not start", ""};
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlClient::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlClient::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kIdleConnections);
  return ok_status();
}

int CurlClient::on_socket(CURL*, curl_socket_t socket, int what, void* user, void*) {
  Poller& poller = static_cast<CurlClient*>(user)->poller_;
  if (what == CURL_POLL_REMOVE) {
    poller.forget(socket);
  } else {
    const bool in = (what & CURL_POLL_IN) != 0, out = (what & CURL_POLL_OUT) != 0;
    poller.watch(socket, (in ? EPOLLIN : 0u) | (out ? EPOLLOUT : 0u));
  }
  return 0;
}

int CurlClient::on_timer(CURLM*, long milliseconds, void* user) {
  Poller& poller = static_cast<CurlClient*>(user)->poller_;
  if (milliseconds < 0)
    poller.set_timer(std::nullopt);
  else
    poller.set_timer(std::chrono::milliseconds(milliseconds));
  return 0;
}

void CurlClient::work() {
  int running = 0;
  for (const auto& [fd, events] : poller_.ready()) {
    if (fd == poller_.timer()) {
      poller_.set_timer(std::nullopt);
      curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
      continue;
    }
    int what = 0;
    if ((events & EPOLLIN) != 0) what |= CURL_CSELECT_IN;
    if ((events & EPOLLOUT) != 0) what |= CURL_CSELECT_OUT;
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) what |= CURL_CSELECT_ERR;
    curl_multi_socket_action(multi_, fd, what, &running);
  }
  end_finished();
}

void CurlClient::end_finished() {
  // All are taken off first: those that are told may start others.
  std::vector<std::pair<std::unique_ptr<Transfer>, CURLcode>> finished;
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    for (auto at = transfers_.begin(); at != transfers_.end(); ++at)
      if (at->second->easy == message->easy_handle) {
        curl_multi_remove_handle(multi_, at->second->easy);
        finished.emplace_back(std::move(at->second), code);
        transfers_.erase(at);
        break;
      }
  }
  for (const auto& [transfer, code] : finished) {
    const std::string trouble = code == CURLE_OK             ? ""
                                : transfer->error[0] != '\0' ? transfer->error
                                                             : curl_easy_strerror(code);
    transfer->answer.on_end(code == CURLE_OK, without_measures(trouble));
  }
}

HttpClient::Id CurlClient::start(const HttpRequest& request, const Identity& identity,
                                 HttpAnswer& answer) {
  auto transfer = std::make_unique<Transfer>(answer);
  CURL* easy = transfer->easy;
  transfer->headers.add("Accept: application/json");
  curl_easy_setopt(easy, CURLOPT_URL, (server_.url + request.target).c_str());
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, user_agent_.c_str());
  if (request.gzip) curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
  if (request.method == "POST") {
    transfer->headers.add("Content-Type: application/json");
    transfer->headers.add("Expect:");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request.body.c_str());
  }
  set_connection(*transfer);
  set_identity(*transfer, identity);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers.get());

  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer.get());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer.get());
  curl_multi_add_handle(multi_, easy);
  transfers_.emplace(++last_id_, std::move(transfer));
  return last_id_;
}

void CurlClient::set_connection(Transfer& transfer) const {
  CURL* easy = transfer.easy;
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // does not wait for a name that is looked up
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectMilliseconds);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, kKeepaliveIdleSeconds);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, kKeepaliveIntervalSeconds);
  curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, &on_socket_made);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (!access_.proxy_url.empty()) curl_easy_setopt(easy, CURLOPT_PROXY, access_.proxy_url.c_str());

  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, kCaCacheSeconds);
  if (access_.insecure) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  } else if (access_.ca.given()) {
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);  // else it is trusted, too
    set_pem(easy, access_.ca, CURLOPT_CAINFO, CURLOPT_CAINFO_BLOB);
  }
  if (!server_.host_line.empty()) transfer.headers.add(server_.host_line);
  if (!server_.connect_to.empty()) {
    transfer.connect_to.add(server_.connect_to);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, transfer.connect_to.get());
  }
}

void CurlClient::set_identity(Transfer& transfer, const Identity& identity) const {
  CURL* easy = transfer.easy;
  set_pem(easy, identity.certificate, CURLOPT_SSLCERT, CURLOPT_SSLCERT_BLOB);
  set_pem(easy, identity.key, CURLOPT_SSLKEY, CURLOPT_SSLKEY_BLOB);
  if (!identity.token.empty()) {
    transfer.headers.add("Authorization: Bearer " + identity.token);
  } else if (!identity.user_name.empty()) {
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(easy, CURLOPT_USERNAME, identity.user_name.c_str());
    curl_easy_setopt(easy, CURLOPT_PASSWORD, identity.password.c_str());
  }
}

void CurlClient::cancel(Id id) {
  const auto at = transfers_.find(id);
  if (at == transfers_.end()) return;
  curl_multi_remove_handle(multi_, at->second->easy);
  transfers_.erase(at);
}

}  // namespace

Result<std::unique_ptr<HttpClient>> HttpClient::open(const config::ApiAccess& access,
                                                     std::string user_agent) {
  Result<Server> server = locate(access);
  if (!server) return server.error();
  auto client = std::make_unique<CurlClient>(access, std::move(*server), std::move(user_agent));
  if (const Status status = client->prepare(); !status) return status.error();
  return std::unique_ptr<HttpClient>(std::move(client));
}

}  // namespace kproxy::source
