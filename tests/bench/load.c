#include "load.h"

static bool ask(struct load *load, struct channel *channel)
{
	struct exchange exchange;
	if (!upload_exchange(channel, load->path, load->upload, &exchange) ||
	    exchange.status != 200)
		return false;
	atomic_store(&load->reply_bytes, exchange.bytes);
	return true;
}

static void *client(void *context)
{
	struct load *load = context;
	struct channel channel;
	bool good = channel_open(&channel, load->port, CHANNEL_PLAIN) && ask(load, &channel);
	sem_post(&load->answered);
	while (good && !atomic_load(&load->over))
		good = ask(load, &channel);
	if (!good)
		atomic_store(&load->failed, true);
	channel_close(&channel);
	return NULL;
}

void load_start(struct load *load)
{
	sem_init(&load->answered, 0, 0);
	atomic_store(&load->over, false);
	atomic_store(&load->failed, false);
	size_t started = 0;
	while (started < load->clients &&
	       pthread_create(&load->threads[started], NULL, client, load) == 0)
		started++;
	if (started < load->clients)
		atomic_store(&load->failed, true);
	load->clients = started;
	for (size_t i = 0; i < started; i++)
		while (sem_wait(&load->answered) != 0)
			; /* a signal */
}

bool load_stop(struct load *load)
{
	atomic_store(&load->over, true);
	for (size_t i = 0; i < load->clients; i++)
		pthread_join(load->threads[i], NULL);
	sem_destroy(&load->answered);
	return !atomic_load(&load->failed);
}
