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
	char error[512];             /* the body, or its beginning */
	char code[64], pointer[256]; /* of a problem document; "" where there is none */
	size_t n_outputs;
	struct fixture_output outputs[LOSS_MAX_OUTPUTS];
	char names[LOSS_MAX_OUTPUTS][64]; /* of the outputs */
	bool has_totals;
	struct fixture_totals totals;
	char *state; /* of totals="exact", else NULL */
	bool warns;
};

/* An element of a tensor, or of the list of outputs; a whole field. */
struct wire_place {
	const char *field;
	bool has_index, is_tensor;
	bool is_scalar; /* a tensor without axes */
	size_t index;   /* flat */
};

struct wire {
	const char *name;
	bool arguments_are_text; /* in the query string, where types follow from the argument */
	/* The pointer of a refusal; NULL where refusals are nothing but a sentence. */
	void (*point)(const struct wire_place *place, char *out, size_t size);
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
/* An element, and an argument's value, as JSON text. */
void wire_write_element(FILE *stream, const struct loss_tensor *tensor, size_t i);
void wire_write_argument(FILE *stream, const struct loss_value *value);
/* The reply's error, code and pointer, of a status other than 200. */
void wire_read_refusal(struct wire_reply *reply, const struct reply *got);
/* The totals that an object has as members; NULL: none. */
void wire_read_totals(struct wire_reply *reply, const cJSON *totals);
void wire_reply_free(struct wire_reply *reply);

/* The rows that a file has. */
bool wire_json_carries(loss_dtype dtype);
void wire_json_point(const struct wire_place *place, char *out, size_t size);
void wire_json(struct client *client, const struct loss_problem *problem, struct wire_reply *reply);
void wire_safetensors_point(const struct wire_place *place, char *out, size_t size);
bool wire_safetensors_carries(loss_dtype dtype);
void wire_safetensors(struct client *client, const struct loss_problem *problem,
		      struct wire_reply *reply);
bool wire_oip_carries(loss_dtype dtype);
void wire_oip_json(struct client *client, const struct loss_problem *problem,
		   struct wire_reply *reply);
void wire_oip_binary(struct client *client, const struct loss_problem *problem,
		     struct wire_reply *reply);

#endif
