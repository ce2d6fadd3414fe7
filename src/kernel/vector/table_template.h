/* The kernels over logits held as one of the two: part of vector_template.h. */
static const struct number_kernels OF(kernels) = {
	.size = sizeof(NUMBER),
	.unit = 1.0 / UNIT,
	.load = OF(load),
	.store = OF(store),
	.load_apart = OF(load_apart),
	.transform = OF(transform),
	.multiply = OF(multiply),
	.to_lanes = OF(to_lanes),
	.from_lanes = OF(from_lanes),
	.sum_lanes = OF(sum_lanes),
	.sum_classes = OF(sum_classes),
	.fold_classes = OF(fold_classes),
	.add_part = OF(add_part),
	.finish = OF(finish),
	.operations =
		{
			[SUM_ENTROPY] = OF(sum_entropy),
			[SUM_GAPS] = OF(sum_gaps),
			[SUM_EXP] = OF(sum_exp),
			[WRITE_LOG_PROBS] = OF(write_log_probs),
			[WRITE_COMBINED] = OF(write_combined),
			[WRITE_GAPS] = OF(write_gaps),
			[WRITE_SCALED] = OF(write_scaled),
			[FIND_FIRST] = OF(find_first),
			[COUNT_BEFORE] = OF(count_before),
		},
};
