#pragma once

struct bio_st;  // OpenSSL's BIO

namespace hive::gate {

/// A BIO over a connected socket, which stays the caller's; nullptr without memory. It is OpenSSL's own but for
/// writing: on a connection that the peer has reset, that one's write() ends the process by SIGPIPE unless the whole
/// program ignores the signal, and we are also a library in other people's programs.
bio_st* make_socket_bio(int socket);

}  // namespace hive::gate
