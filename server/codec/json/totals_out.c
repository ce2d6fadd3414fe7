#include "totals_out.h"

#include "reply_json.h"

void totals_out_put(struct json_out *out, const struct loss_result *result)
{
	const struct encoder_input input = {.result = result};
	json_out_open(out, '{');
	for (size_t i = 0; i < result->n_outputs; i++) {
		json_out_key(out, result->outputs[i].name);
		json_out_tensor(out, &result->outputs[i].tensor);
	}
	json_out_key(out, "totals");
	reply_json_put_totals(out, &input);
	json_out_end(out, '}');
}
