/*
 * The ways of sending a problem to a server and getting its results back, one row each. A problem
 * is sent by its tensors' bits; what comes back is compared as numbers, and can be as bits.
 */
#ifndef TESTS_SUPPORT_WIRE_H
#define TESTS_SUPPORT_WIRE_H

#include "client.h"
#include "fixture.h"
#include "loss.h"

/* What came back, of a reply that is 200; else only status and error. */
struct wire_reply {
	int status;
	char error[512]; /* the body, or its beginning */
	size_t n_outputs;
	struct fixture_output outputs[LOSS_MAX_OUTPUTS];
	char names[LOSS_MAX_OUTPUTS][64]; /* of the outputs */
	bool has_totals;
	struct fixture_totals totals;
	bool warns;
};

struct wire {
	const char *name;
	/* Whether it has a name for that dtype. */
	bool (*carries)(loss_dtype dtype);
	/* Posts the problem of which tensors, arguments and outputs are set. */
	void (*evaluate)(struct client *client, const struct loss_problem *problem,
			 struct wire_reply *reply);
};

extern const struct wire wires[]; /* ends with a NULL name */

/* For the rows: the next output, whose values are the caller's to fill and wire_reply_free's to
 * free. */
double *wire_add_output(struct wire_reply *reply, const char *name,
			const struct loss_tensor *shape);
/* Element i as a double, of any dtype. */
double wire_element(const struct loss_tensor *tensor, size_t i);
/* An argument's value as JSON text. */
void wire_write_argument(FILE *stream, const struct loss_value *value);
void wire_reply_free(struct wire_reply *reply);

/* The rows that a file has. */
bool wire_safetensors_carries(loss_dtype dtype);
void wire_safetensors(struct client *client, const struct loss_problem *problem,
		      struct wire_reply *reply);
bool wire_oip_carries(loss_dtype dtype);
void wire_oip_json(struct client *client, const struct loss_problem *problem,
		   struct wire_reply *reply);
void wire_oip_binary(struct client *client, const struct loss_problem *problem,
		     struct wire_reply *reply);

#endif
