#include "runtime/serve/http_request.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace kproxy::serve {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// tchar of RFC 9110.
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
}

// Takes the text up to the separator from the front of `rest`, and the separator with it.
std::string_view take_until(std::string_view& rest, char separator) {
  const std::size_t at = rest.find(separator);
  const std::string_view piece = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
  return piece;
}

// A line without its end, be that CR LF or LF.
std::string_view take_line(std::string_view& rest) {
  std::string_view line = take_until(rest, '\n');
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    const char* first = text.data() + i + 1;
    if (i + 2 >= text.size() || std::from_chars(first, first + 2, value, 16).ptr != first + 2)
      return std::nullopt;
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

// How many bytes the request line and the headers take, with the empty line that ends them; 0 if
// that has not come yet.
std::size_t head_size(std::string_view bytes, std::size_t from) {
  for (std::size_t at = bytes.find('\n', from); at != std::string_view::npos;
       at = bytes.find('\n', at + 1)) {
    std::string_view next = bytes.substr(at + 1);
    if (next.starts_with('\n')) return at + 2;
    if (next.starts_with("\r\n")) return at + 3;
  }
  return 0;
}

ParsedRequest refused(int status) {
  ParsedRequest parsed;
  parsed.state = ParsedRequest::State::refused;
  parsed.status = status;
  return parsed;
}

// 0, or the status to refuse with.
int read_request_line(std::string_view line, Request& request, bool& is_http_1_1) {
  std::string_view rest = line;
  const std::string_view method = take_until(rest, ' ');
  std::string_view target = take_until(rest, ' ');
  const std::string_view version = rest;
  if (!is_token(method) || target.empty() || has_control(line)) return 400;
  if (version.size() != 8 || !version.starts_with("HTTP/") || version[6] != '.') return 400;
  if (version[5] < '0' || version[5] > '9' || version[7] < '0' || version[7] > '9') return 400;
  if (version[5] != '1') return 505;
  is_http_1_1 = version[7] != '0';
  request.method = method;
  for (std::string_view scheme : {"http://", "https://"}) {
    if (!lower(target.substr(0, scheme.size())).starts_with(scheme)) continue;
    const std::size_t slash = target.find('/', scheme.size());
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
    break;
  }
  if (target != "*" && !target.starts_with('/')) return 400;
  const auto path = percent_decoded(take_until(target, '?'));
  if (!path) return 400;
  request.path = *path;
  request.query = target;
  return 0;
}

int read_headers(std::string_view lines, Request& request) {
  while (!lines.empty()) {
    const std::string_view line = take_line(lines);
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return 400;
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (has_control(value)) return 400;
    request.headers.emplace_back(lower(line.substr(0, colon)), value);
  }
  return 0;
}

std::size_t count_of(const Request& request, std::string_view name) {
  return static_cast<std::size_t>(
      std::count_if(request.headers.begin(), request.headers.end(),
                    [&](const auto& header) { return header.first == name; }));
}

bool has_element(std::string_view list, std::string_view element) {
  while (!list.empty())
    if (lower(trimmed(take_until(list, ','))) == element) return true;
  return false;
}

// Nothing if it is not a number. As large as it gets if it is too large for one.
std::optional<std::size_t> parse_length(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos)
    return std::nullopt;
  std::size_t length = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), length);
  return result.ec == std::errc() ? length : static_cast<std::size_t>(-1);
}

double parse_quality(std::string_view text) {
  const std::string number(text.substr(0, 5));
  char* end = nullptr;
  const double quality = std::strtod(number.c_str(), &end);
  return end == number.c_str() || !(quality >= 0) ? 0 : std::min(quality, 1.0);
}

}  // namespace

std::string Request::header(std::string_view name) const {
  std::string joined;
  for (const auto& [key, value] : headers) {
    if (key != name) continue;
    if (!joined.empty()) joined += ", ";
    joined += value;
  }
  return joined;
}

bool Request::has_parameter(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    std::string_view pair = take_until(rest, '&');
    if (take_until(pair, '=') == name) return true;
  }
  return false;
}

ParsedRequest parse_request(std::string_view bytes, const RequestLimits& limits) {
  // Some clients end a body with a line more than they announced.
  std::size_t start = bytes.find_first_not_of("\r\n");
  if (start == std::string_view::npos) start = bytes.size();
  if (start > 8) return refused(400);
  const std::size_t head = head_size(bytes, start);
  if (head > limits.head || (head == 0 && bytes.size() >= limits.head)) return refused(431);
  ParsedRequest parsed;
  if (head == 0) {
    parsed.size = bytes.size() + 1;
    return parsed;
  }

  std::string_view lines = bytes.substr(start, head - start);
  Request& request = parsed.request;
  bool is_http_1_1 = false;
  if (const int status = read_request_line(take_line(lines), request, is_http_1_1); status != 0)
    return refused(status);
  if (const int status = read_headers(lines, request); status != 0) return refused(status);
  if (const std::size_t hosts = count_of(request, "host"); hosts > 1 || (is_http_1_1 && hosts == 0))
    return refused(400);

  const std::size_t lengths = count_of(request, "content-length");
  if (count_of(request, "transfer-encoding") != 0) return refused(lengths == 0 ? 411 : 400);
  std::size_t body = 0;
  if (lengths != 0) {
    const auto length = parse_length(request.header("content-length"));
    if (!length) return refused(400);
    if (*length > limits.body) return refused(413);
    body = *length;
  }
  parsed.size = head + body;
  if (bytes.size() < parsed.size) {
    parsed.expects_continue = is_http_1_1 && has_element(request.header("expect"), "100-continue");
    return parsed;
  }
  request.body = bytes.substr(head, body);
  const std::string connection = request.header("connection");
  request.keep_alive =
      is_http_1_1 ? !has_element(connection, "close") : has_element(connection, "keep-alive");
  parsed.state = ParsedRequest::State::complete;
  return parsed;
}

bool accepts(std::string_view list, std::string_view token) {
  bool any = false;
  for (; !list.empty();) {
    std::string_view entry = take_until(list, ',');
    const std::string name = lower(trimmed(take_until(entry, ';')));
    double quality = 1;
    while (!entry.empty()) {
      const std::string_view parameter = trimmed(take_until(entry, ';'));
      if (lower(parameter.substr(0, 2)) == "q=") quality = parse_quality(parameter.substr(2));
    }
    if (name == token) return quality > 0;
    if (name == "*") any = quality > 0;
  }
  return any;
}

std::string_view MediaRange::parameter(std::string_view name) const {
  for (const auto& [key, value] : parameters)
    if (key == name) return value;
  return {};
}

std::vector<MediaRange> parse_accept(std::string_view header) {
  std::vector<MediaRange> ranges;
  while (!header.empty()) {
    std::string_view entry = take_until(header, ',');
    MediaRange range;
    range.type = lower(trimmed(take_until(entry, ';')));
    while (!entry.empty()) {
      std::string_view parameter = trimmed(take_until(entry, ';'));
      const std::string name = lower(trimmed(take_until(parameter, '=')));
      if (name == "q")
        range.quality = parse_quality(trimmed(parameter));
      else if (!name.empty())
        range.parameters.emplace_back(name, trimmed(parameter));
    }
    if (!range.type.empty() && range.quality > 0) ranges.push_back(std::move(range));
  }
  std::stable_sort(ranges.begin(), ranges.end(),
                   [](const MediaRange& a, const MediaRange& b) { return a.quality > b.quality; });
  return ranges;
}

}  // namespace kproxy::serve
