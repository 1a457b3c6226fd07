#include "runtime/apply/encode_rule.h"

#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/apply/message_buffer.h"

namespace kproxy::apply {
namespace {

using ruleset::Field;
using ruleset::Key;
using ruleset::Verdict;

std::uint32_t size_of(Field field) {
  switch (field) {
    case Field::ip_saddr:
    case Field::ip_daddr:
    case Field::ct_original_ip_daddr:
    case Field::random_slot:
      return 4;
    case Field::ip6_saddr:
    case Field::ip6_daddr:
    case Field::ct_original_ip6_daddr:
      return 16;
    case Field::l4proto:
      return 1;
    case Field::th_dport:
    case Field::ct_original_proto_dst:
      return 2;
  }
  return 0;
}

std::uint32_t size_of(const Key& key) {
  std::size_t size = 0;
  for (Field field : key.fields) size += aligned(size_of(field));
  return static_cast<std::uint32_t>(size);
}

// The kernel has 64 bytes of registers, known as four of 16 bytes (NFT_REG_1..) and as sixteen of 4
// (NFT_REG32_00..). nft calls a place by the former where it can. Words count 4 bytes.
std::uint32_t register_at(std::uint32_t word) {
  return word % 4 == 0 ? NFT_REG_1 + word / 4 : NFT_REG32_00 + word;
}

constexpr std::uint32_t kIpSource = 12, kIpDestination = 16;  // offsets in the header
constexpr std::uint32_t kIp6Source = 8, kIp6Destination = 24;
constexpr std::uint32_t kDestinationPort = 2;

// Adds the expressions of statements to a rule, one after another.
class RuleEncoder {
 public:
  RuleEncoder(nftnl_rule* rule, const ruleset::OwnerNames& owners) : rule_(rule), owners_(owners) {}

  void operator()(const ruleset::MatchFamily& s) { match_family(s.family); }

  void operator()(const ruleset::MatchProtocol& s) {
    load_meta(NFT_META_L4PROTO, 0);
    const auto value = static_cast<std::uint8_t>(s.protocol);
    compare(NFT_CMP_EQ, &value, sizeof value);
  }

  void operator()(const ruleset::MatchDnatted&) {
    nftnl_expr* ct = add("ct");
    nftnl_expr_set_u32(ct, NFTNL_EXPR_CT_KEY, NFT_CT_STATUS);
    nftnl_expr_set_u32(ct, NFTNL_EXPR_CT_DREG, NFT_REG_1);
    match_bits(IPS_DST_NAT, false);
  }

  void operator()(const ruleset::MatchMark& s) {
    load_meta(NFT_META_MARK, 0);
    match_bits(s.bit, true);
  }

  void operator()(const ruleset::MatchLocal& s) {
    nftnl_expr* fib = add("fib");
    nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_FLAGS, s.source ? NFTA_FIB_F_SADDR : NFTA_FIB_F_DADDR);
    nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
    const std::uint32_t local = RTN_LOCAL;
    compare(s.negated ? NFT_CMP_NEQ : NFT_CMP_EQ, &local, sizeof local);
  }

  void operator()(const ruleset::MatchNotLoopback& s) {
    match_family(s.family);
    if (s.family == Family::ipv4) {  // a prefix of whole bytes: only those are loaded
      load_payload(NFT_PAYLOAD_NETWORK_HEADER, kIpDestination, 1, 0);
      const std::uint8_t prefix = 127;
      compare(NFT_CMP_NEQ, &prefix, sizeof prefix);
      return;
    }
    load_payload(NFT_PAYLOAD_NETWORK_HEADER, kIp6Destination, 16, 0);
    std::array<std::uint8_t, 16> loopback{};
    loopback.back() = 1;
    compare(NFT_CMP_NEQ, loopback.data(), loopback.size());
  }

  void operator()(const ruleset::MatchInterface& s) {
    load_meta(NFT_META_IIFNAME, 0);
    std::array<char, IFNAMSIZ> name{};
    s.name.copy(name.data(), name.size() - 1);
    compare(s.negated ? NFT_CMP_NEQ : NFT_CMP_EQ, name.data(),
            static_cast<std::uint32_t>(s.prefix ? std::strlen(name.data()) : name.size()));
  }

  void operator()(const ruleset::InSet& s) {
    load(s.key, 0, ruleset::traits(s.set).interval);
    nftnl_expr* lookup = add_lookup(s.set);
    if (s.negated) nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
  }

  void operator()(const ruleset::VerdictMap& s) {
    load(s.key, 0, false);
    nftnl_expr_set_u32(add_lookup(s.map), NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
  }

  void operator()(const ruleset::Dnat& s) {
    load(s.key, 0, false);
    nftnl_expr_set_u32(add_lookup(s.map), NFTNL_EXPR_LOOKUP_DREG, NFT_REG_1);
    // The map gave an address and, in the next word after it, a port; or the next map gives it.
    const bool ipv4 = s.family == Family::ipv4;
    if (s.ports) {
      load(s.key, 4, false);
      nftnl_expr* lookup = add_lookup(*s.ports);
      nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_SREG, register_at(4));
      nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_DREG, register_at(4));
    }
    nftnl_expr* nat = add("nat");
    nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
    nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_FAMILY, ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
    nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
    nftnl_expr_set_u32(nat, NFTNL_EXPR_NAT_REG_PROTO_MIN, register_at(ipv4 ? 1 : 4));
  }

  void operator()(const ruleset::UpdateMap& s) {
    load(s.key, 0, false);
    // Data begins with the next register of 16 bytes after the key.
    const std::uint32_t data = (size_of(s.key) + 15) / 16 * 4;
    load(s.data, data, false);
    nftnl_expr* update = add("dynset");
    nftnl_expr_set_u32(update, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
    nftnl_expr_set_u32(update, NFTNL_EXPR_DYNSET_SREG_DATA, register_at(data));
    nftnl_expr_set_u32(update, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
    nftnl_expr_set_u64(update, NFTNL_EXPR_DYNSET_TIMEOUT, std::uint64_t{s.seconds} * 1000);
    nftnl_expr_set_str(update, NFTNL_EXPR_DYNSET_SET_NAME, name(s.map, owners_).c_str());
  }

  void operator()(const ruleset::SetMark& s) { change_mark(~s.bit, s.bit); }
  void operator()(const ruleset::ClearMark& s) { change_mark(~s.bit, 0); }

  void operator()(const ruleset::Masquerade&) {
    nftnl_expr_set_u32(add("masq"), NFTNL_EXPR_MASQ_FLAGS, NF_NAT_RANGE_PROTO_RANDOM_FULLY);
  }

  void operator()(const ruleset::RejectWithReset&) { reject(NFT_REJECT_TCP_RST, 0); }
  void operator()(const ruleset::RejectUnreachable&) {
    reject(NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH);
  }

  void operator()(const Verdict& s) {
    nftnl_expr* immediate = add("immediate");
    nftnl_expr_set_u32(immediate, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    const auto set = [&](std::int32_t code) {
      nftnl_expr_set_u32(immediate, NFTNL_EXPR_IMM_VERDICT, static_cast<std::uint32_t>(code));
    };
    switch (s.code) {
      case Verdict::Code::none:
        set(NFT_CONTINUE);
        return;
      case Verdict::Code::drop:
        set(NF_DROP);
        return;
      case Verdict::Code::return_:
        set(NFT_RETURN);
        return;
      case Verdict::Code::jump:
        set(NFT_JUMP);
        break;
      case Verdict::Code::goto_:
        set(NFT_GOTO);
        break;
    }
    nftnl_expr_set_str(immediate, NFTNL_EXPR_IMM_CHAIN, name(s.chain, owners_).c_str());
  }

 private:
  nftnl_expr* add(const char* kind) {
    nftnl_expr* expression = nftnl_expr_alloc(kind);
    nftnl_rule_add_expr(rule_, expression);
    return expression;
  }

  nftnl_expr* add_lookup(const ruleset::SetRef& set) {
    nftnl_expr* lookup = add("lookup");
    nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
    nftnl_expr_set_str(lookup, NFTNL_EXPR_LOOKUP_SET, name(set, owners_).c_str());
    return lookup;
  }

  void load_meta(std::uint32_t key, std::uint32_t word) {
    nftnl_expr* meta = add("meta");
    nftnl_expr_set_u32(meta, NFTNL_EXPR_META_KEY, key);
    nftnl_expr_set_u32(meta, NFTNL_EXPR_META_DREG, register_at(word));
  }

  void load_payload(std::uint32_t base, std::uint32_t offset, std::uint32_t size,
                    std::uint32_t word) {
    nftnl_expr* payload = add("payload");
    nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_DREG, register_at(word));
    nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_BASE, base);
    nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
    nftnl_expr_set_u32(payload, NFTNL_EXPR_PAYLOAD_LEN, size);
  }

  void load_ct_original(std::uint32_t key, std::uint32_t word) {
    nftnl_expr* ct = add("ct");
    nftnl_expr_set_u32(ct, NFTNL_EXPR_CT_KEY, key);
    nftnl_expr_set_u32(ct, NFTNL_EXPR_CT_DREG, register_at(word));
    nftnl_expr_set_u8(ct, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
  }

  // Compares what is in the first register.
  void compare(std::uint32_t operation, const void* value, std::uint32_t size) {
    nftnl_expr* compare = add("cmp");
    nftnl_expr_set_u32(compare, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
    nftnl_expr_set_u32(compare, NFTNL_EXPR_CMP_OP, operation);
    nftnl_expr_set(compare, NFTNL_EXPR_CMP_DATA, value, size);
  }

  // First register = (first register & mask) ^ flip. nft names the operation where the rule's text
  // has an operator, and leaves it out where it only implies one; the kernel takes it to be this.
  void bitwise(std::uint32_t mask, std::uint32_t flip, bool named) {
    nftnl_expr* bitwise = add("bitwise");
    nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
    nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
    if (named) nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
    nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_LEN, sizeof mask);
    nftnl_expr_set(bitwise, NFTNL_EXPR_BITWISE_MASK, &mask, sizeof mask);
    nftnl_expr_set(bitwise, NFTNL_EXPR_BITWISE_XOR, &flip, sizeof flip);
  }

  void match_bits(std::uint32_t bits, bool named) {
    bitwise(bits, 0, named);
    const std::uint32_t zero = 0;
    compare(NFT_CMP_NEQ, &zero, sizeof zero);
  }

  void change_mark(std::uint32_t mask, std::uint32_t flip) {
    load_meta(NFT_META_MARK, 0);
    bitwise(mask, flip, true);
    nftnl_expr* meta = add("meta");
    nftnl_expr_set_u32(meta, NFTNL_EXPR_META_KEY, NFT_META_MARK);
    nftnl_expr_set_u32(meta, NFTNL_EXPR_META_SREG, NFT_REG_1);
  }

  void reject(std::uint32_t type, std::uint8_t code) {
    nftnl_expr* reject = add("reject");
    nftnl_expr_set_u32(reject, NFTNL_EXPR_REJECT_TYPE, type);
    nftnl_expr_set_u8(reject, NFTNL_EXPR_REJECT_CODE, code);
  }

  // In a table of family inet a packet may be of either family: a rule asks before it first reads
  // a header of one of them.
  void match_family(Family family) {
    if (family_known_) return;
    family_known_ = true;
    load_meta(NFT_META_NFPROTO, 0);
    const std::uint8_t value = family == Family::ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
    compare(NFT_CMP_EQ, &value, sizeof value);
  }

  // Loads a key's fields from that word on. In keys of interval sets nft wants numbers to be in
  // network order; of the one byte of l4proto that makes nothing else.
  void load(const Key& key, std::uint32_t word, bool interval) {
    for (Field field : key.fields)
      if (field == Field::ip_saddr || field == Field::ip_daddr)
        match_family(Family::ipv4);
      else if (field == Field::ip6_saddr || field == Field::ip6_daddr)
        match_family(Family::ipv6);
    for (Field field : key.fields) {
      load(field, key, word);
      if (interval && field == Field::l4proto) {
        nftnl_expr* order = add("byteorder");
        nftnl_expr_set_u32(order, NFTNL_EXPR_BYTEORDER_SREG, register_at(word));
        nftnl_expr_set_u32(order, NFTNL_EXPR_BYTEORDER_DREG, register_at(word));
        nftnl_expr_set_u32(order, NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON);
        nftnl_expr_set_u32(order, NFTNL_EXPR_BYTEORDER_LEN, 1);
        nftnl_expr_set_u32(order, NFTNL_EXPR_BYTEORDER_SIZE, 2);
      }
      word += static_cast<std::uint32_t>(aligned(size_of(field)) / 4);
    }
  }

  void load(Field field, const Key& key, std::uint32_t word) {
    constexpr auto kNetwork = NFT_PAYLOAD_NETWORK_HEADER;
    switch (field) {
      case Field::ip_saddr:
        return load_payload(kNetwork, kIpSource, 4, word);
      case Field::ip_daddr:
        return load_payload(kNetwork, kIpDestination, 4, word);
      case Field::ip6_saddr:
        return load_payload(kNetwork, kIp6Source, 16, word);
      case Field::ip6_daddr:
        return load_payload(kNetwork, kIp6Destination, 16, word);
      case Field::l4proto:
        return load_meta(NFT_META_L4PROTO, word);
      case Field::th_dport:
        return load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, kDestinationPort, 2, word);
      case Field::ct_original_ip_daddr:
        return load_ct_original(NFT_CT_DST_IP, word);
      case Field::ct_original_ip6_daddr:
        return load_ct_original(NFT_CT_DST_IP6, word);
      case Field::ct_original_proto_dst:
        return load_ct_original(NFT_CT_PROTO_DST, word);
      case Field::random_slot: {
        nftnl_expr* numgen = add("numgen");
        nftnl_expr_set_u32(numgen, NFTNL_EXPR_NG_DREG, register_at(word));
        nftnl_expr_set_u32(numgen, NFTNL_EXPR_NG_TYPE, NFT_NG_RANDOM);
        nftnl_expr_set_u32(numgen, NFTNL_EXPR_NG_MODULUS, key.slots);
        nftnl_expr_set_u32(numgen, NFTNL_EXPR_NG_OFFSET, key.first_slot);
        return;
      }
    }
  }

  nftnl_rule* rule_;
  const ruleset::OwnerNames& owners_;
  bool family_known_ = false;
};

std::string expression_text(nftnl_expr* expression) {
  std::array<char, 1024> buffer;
  std::string text = nftnl_expr_get_str(expression, NFTNL_EXPR_NAME);
  const int size =
      nftnl_expr_snprintf(buffer.data(), buffer.size(), expression, NFTNL_OUTPUT_DEFAULT, 0);
  const std::string rest(
      buffer.data(),
      std::min<std::size_t>(size < 0 ? 0 : static_cast<std::size_t>(size), buffer.size() - 1));
  text += " " + rest;
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

// The kernel lists a range for each address and port, and notes by flags which of them are given.
std::string nat_text(nftnl_expr* nat) {
  const auto value = [&](std::uint16_t attribute, std::uint16_t otherwise) {
    return std::to_string(
        nftnl_expr_get_u32(nat, nftnl_expr_is_set(nat, attribute) ? attribute : otherwise));
  };
  const std::uint32_t flags =
      nftnl_expr_get_u32(nat, NFTNL_EXPR_NAT_FLAGS) &
      ~static_cast<std::uint32_t>(NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED);
  return "nat type " + value(NFTNL_EXPR_NAT_TYPE, NFTNL_EXPR_NAT_TYPE) + " family " +
         value(NFTNL_EXPR_NAT_FAMILY, NFTNL_EXPR_NAT_FAMILY) + " address reg " +
         value(NFTNL_EXPR_NAT_REG_ADDR_MIN, NFTNL_EXPR_NAT_REG_ADDR_MIN) + "-" +
         value(NFTNL_EXPR_NAT_REG_ADDR_MAX, NFTNL_EXPR_NAT_REG_ADDR_MIN) + " port reg " +
         value(NFTNL_EXPR_NAT_REG_PROTO_MIN, NFTNL_EXPR_NAT_REG_PROTO_MIN) + "-" +
         value(NFTNL_EXPR_NAT_REG_PROTO_MAX, NFTNL_EXPR_NAT_REG_PROTO_MIN) + " flags " +
         std::to_string(flags);
}

int append_expression(nftnl_expr* expression, void* into) {
  std::string& text = *static_cast<std::string*>(into);
  std::string own = expression_text(expression);
  const std::string_view kind = nftnl_expr_get_str(expression, NFTNL_EXPR_NAME);
  if (kind == "lookup") {
    // The kernel lists flags also where there are none.
    if (own.ends_with(" 0x0")) own.resize(own.size() - 4);
  } else if (kind == "nat") {
    own = nat_text(expression);
  } else if (kind == "cmp") {
    std::uint32_t size = 0;
    nftnl_expr_get(expression, NFTNL_EXPR_CMP_DATA, &size);
    own += " of " + std::to_string(size) + " bytes";
  }
  text += "[" + own + "]";
  return 0;
}

}  // namespace

NftnlRule encode(const ruleset::Rule& rule, const ruleset::OwnerNames& owners) {
  NftnlRule result(nftnl_rule_alloc());
  RuleEncoder encoder(result.get(), owners);
  for (const ruleset::Statement& statement : rule) std::visit(encoder, statement);
  return result;
}

std::string canonical_text(const nftnl_rule* rule) {
  std::string text;
  nftnl_expr_foreach(const_cast<nftnl_rule*>(rule), append_expression, &text);
  return text;
}

}  // namespace kproxy::apply
