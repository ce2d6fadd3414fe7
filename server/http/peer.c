#include "peer.h"

#include <arpa/inet.h>
#include <stddef.h>

bool peer_read(const struct sockaddr *address, struct peer *peer)
{
	if (address && address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
		*peer = (struct peer){.port = ntohs(v4->sin_port)};
		return inet_ntop(AF_INET, &v4->sin_addr, peer->text, sizeof peer->text) != NULL;
	}
	if (!address || address->sa_family != AF_INET6)
		return false;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
	bool mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
	*peer = (struct peer){.port = ntohs(v6->sin6_port), .v6 = !mapped};
	return inet_ntop(mapped ? AF_INET : AF_INET6, &v6->sin6_addr.s6_addr[mapped ? 12 : 0],
			 peer->text, sizeof peer->text) != NULL;
}
