#include "socket.h"

#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#ifdef __linux__
#include <linux/filter.h>
#include <linux/sockios.h>
#include <linux/tcp.h> /* netinet/tcp.h knows less */
#include <netinet/in.h>
#endif

#ifndef POLLRDHUP
#define POLLRDHUP POLLHUP
#endif
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

bool socket_traffic(int fd, struct socket_traffic *traffic)
{
	*traffic = (struct socket_traffic){0};
#ifdef __linux__
	struct tcp_info info;
	socklen_t size = sizeof info;
	const size_t needed =
		offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received;
	memset(&info, 0, sizeof info);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || size < needed)
		return false;
	*traffic = (struct socket_traffic){info.tcpi_bytes_received, info.tcpi_bytes_acked,
					   info.tcpi_last_data_recv};
	return true;
#else
	(void)fd;
	return false;
#endif
}

size_t socket_unread(int fd)
{
	int n = 0;
	return ioctl(fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

size_t socket_untaken(int fd)
{
#ifdef SIOCOUTQ
	int n = 0;
	return ioctl(fd, SIOCOUTQ, &n) == 0 && n > 0 ? (size_t)n : 0;
#else
	(void)fd;
	return 1; /* not known: something may be on its way */
#endif
}

enum socket_peer socket_peer(int fd)
{
	struct pollfd state = {.fd = fd, .events = POLLRDHUP};
	if (poll(&state, 1, 0) != 1)
		return SOCKET_PEER_OPEN;
	return state.revents & (POLLERR | POLLHUP | POLLNVAL) ? SOCKET_PEER_GONE
							      : SOCKET_PEER_HALF_CLOSED;
}

void socket_probe(int fd)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
	ssize_t sent = send(fd, interim, sizeof interim - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)sent; /* what could not be sent finds nothing out */
}

struct socket_user socket_user(int fd)
{
	struct socket_user user = {.family = AF_UNIX, .uid = (uid_t)-1};
#ifdef SO_PEERCRED
	struct ucred credentials;
	socklen_t size = sizeof credentials;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
		user.pid = credentials.pid;
		user.uid = credentials.uid;
	}
#else
	(void)fd;
#endif
	return user;
}

void socket_shut_backlog(int fd)
{
#ifdef __linux__
	/* Drops the first packet of each handshake: SYN without ACK, in byte 13 of TCP's header. */
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog filter = {sizeof program / sizeof *program, program};
	setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
#else
	(void)fd;
#endif
}
