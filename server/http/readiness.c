#include "readiness.h"

#include "eval/scheduler.h"
#include "log/log.h"
#include "os/clock.h"

bool readiness_look(struct server *server)
{
	bool stops = server_stage(server) != SERVER_RUNNING;
	bool ready = !stops && scheduler_answers(server->scheduler, clock_ns());
	const struct log_field why = {
		"why", stops ? "it was told to stop" : "the compute thread does not answer", 0};
	bool before = !atomic_exchange(&server->unready, !ready);
	if (before && !ready)
		log_event(stops ? LOG_INFO : LOG_WARNING, "not ready", &why, 1);
	/* What was found before a stop is not told after it. */
	if (!before && ready && server_stage(server) == SERVER_RUNNING)
		log_event(LOG_INFO, "ready again", NULL, 0);
	return ready;
}
