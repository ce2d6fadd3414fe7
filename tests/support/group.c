#include "group.h"

struct server server;
struct client *client;

int group_start_with(const char *const *flags)
{
	if (server_start(&server, flags, NULL) != 0)
		return -1;
	client = client_open(&server);
	return 0;
}

int group_start(void **state)
{
	(void)state;
	return group_start_with(NULL);
}

int group_stop(void **state)
{
	(void)state;
	client_close(client);
	return server_stop(&server);
}
