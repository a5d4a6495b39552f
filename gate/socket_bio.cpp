#include "gate/socket_bio.hpp"

#include <cerrno>
#include <cstddef>

#include <sys/socket.h>

#include <openssl/bio.h>

namespace hive::gate {
namespace {

int send_without_signal(BIO* bio, const char* data, int size) {
  errno = 0;
  const int socket = static_cast<int>(BIO_get_fd(bio, nullptr));
  const int count = static_cast<int>(::send(socket, data, static_cast<std::size_t>(size), MSG_NOSIGNAL));
  BIO_clear_retry_flags(bio);
  if (count <= 0 && BIO_sock_should_retry(count) != 0) BIO_set_retry_write(bio);
  return count;
}

const BIO_METHOD* socket_method() {
  // One for the life of the process, like OpenSSL's own.
  static const BIO_METHOD* const method = [] {
    const BIO_METHOD* const ordinary = BIO_s_socket();
    BIO_METHOD* const made = BIO_meth_new(BIO_TYPE_SOCKET, "socket without SIGPIPE");
    if (made == nullptr) return made;
    BIO_meth_set_write(made, send_without_signal);
    BIO_meth_set_read(made, BIO_meth_get_read(ordinary));
    BIO_meth_set_ctrl(made, BIO_meth_get_ctrl(ordinary));
    BIO_meth_set_create(made, BIO_meth_get_create(ordinary));
    BIO_meth_set_destroy(made, BIO_meth_get_destroy(ordinary));
    return made;
  }();
  return method;
}

}  // namespace

bio_st* make_socket_bio(int socket) {
  const BIO_METHOD* const method = socket_method();
  BIO* const made = method == nullptr ? nullptr : BIO_new(method);
  if (made != nullptr) BIO_set_fd(made, socket, BIO_NOCLOSE);
  return made;
}

}  // namespace hive::gate
