#include "access.h"

#include "auth/cors.h"
#include "auth/hosts.h"
#include "status/status.h"

loss_status access_check_host(const struct head *head, const struct config *config,
			      struct loss_error *err)
{
	if (!head->host || hosts_allow(config->hosts, head->host))
		return LOSS_OK;
	return loss_fail(err, STATUS_FORBIDDEN, NULL,
			 "%s is \"%.80s\", which is not among the hosts that this server answers "
			 "to (the setting hosts)",
			 head->host_of_target ? "the host of the request's target" : "Host",
			 head->host);
}

const char *access_foreign_origin(const struct head *head, const struct config *config)
{
	return cors_is_foreign(config->cors_origins, head->origin, head->host) ? head->origin
									       : NULL;
}

loss_status access_check_origin(const struct head *head, const struct config *config,
				const char *path, struct loss_error *err)
{
	const char *foreign = access_foreign_origin(head, config);
	if (!foreign)
		return LOSS_OK;
	return loss_fail(
		err, STATUS_FORBIDDEN, NULL,
		"Origin is \"%.80s\", but POST %s is for pages of this server's own origin "
		"(Host is \"%.80s\") and of those that the setting cors_origins names",
		foreign, path, head->host ? head->host : "");
}
