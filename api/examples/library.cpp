/*
 * The cross entropy of one row without a server, in C++17, with libloss:
 *
 *   c++ -std=c++17 -o library library.cpp $(pkg-config --cflags --libs lossd) && ./library
 *
 * Behind the loss and the gradient it prints how the library tells what is wrong, as an exception.
 */
#include <loss.h>

#include <array>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/* A code for programs, the field (and inside a tensor the index), a sentence. */
static std::string words(const loss_error &err)
{
	std::string text = std::string(loss_status_info(err.status)->code);
	if (err.field[0] != '\0')
		text += std::string(" at ") + err.field;
	for (int axis = 0; err.has_index && axis < err.index_rank; axis++)
		text += "[" + std::to_string(err.index[axis]) + "]";
	return text + ": " + err.detail;
}

/* One evaluation: its results lie in its arena, and end with it. */
class Evaluation {
      public:
	explicit Evaluation(std::string_view loss) : arena(loss_arena_create(nullptr))
	{
		const loss_info *info = loss_find(loss.data(), loss.size());
		if (info == nullptr)
			throw std::invalid_argument("no such loss");
		problem = arena ? loss_problem_create(info, arena.get()) : nullptr;
		if (problem == nullptr)
			throw std::bad_alloc();
	}

	/* The elements are borrowed until run() returns. */
	template <typename T>
	void set(const char *name, loss_dtype dtype, const std::vector<size_t> &shape,
		 std::vector<T> &elements)
	{
		loss_tensor tensor = loss_tensor_make(dtype, static_cast<int>(shape.size()),
						      shape.data(), elements.data());
		check(loss_problem_set(problem, name, &tensor, &err));
	}

	void set(const char *name, double value)
	{
		check(loss_problem_set_number(problem, name, value, &err));
	}

	template <size_t n> void ask(const std::array<const char *, n> &outputs)
	{
		check(loss_problem_set_outputs(problem, outputs.data(), n, &err));
	}

	const loss_result &run()
	{
		check(loss_evaluate(problem, arena.get(), 1, nullptr, &result, &err));
		return result;
	}

      private:
	void check(loss_status status) const
	{
		if (status != LOSS_OK)
			throw std::runtime_error(words(err));
	}

	struct Destroy {
		void operator()(loss_arena *arena) const
		{
			loss_arena_destroy(arena);
		}
	};

	std::unique_ptr<loss_arena, Destroy> arena;
	loss_problem *problem = nullptr;
	loss_result result{};
	loss_error err{};
};

static void evaluate(int64_t target)
{
	std::vector<float> logits = {-0.7715F, -0.6205F, -0.2562F};
	std::vector<int64_t> targets = {target};
	Evaluation evaluation("cross_entropy");
	evaluation.set("logits", LOSS_F32, {1, 3}, logits); /* one row of three classes */
	evaluation.set("targets", LOSS_I64, {1}, targets);
	evaluation.set("label_smoothing", 0.0);
	evaluation.ask(std::array{"loss", "grad"});

	const loss_result &result = evaluation.run();
	std::cout.precision(8);
	for (size_t i = 0; i < result.n_outputs; i++) {
		const loss_tensor &tensor = result.outputs[i].tensor;
		const auto *values = static_cast<const float *>(tensor.data); /* as the logits */
		std::cout << result.outputs[i].name;
		for (size_t k = 0; k < tensor.count; k++)
			std::cout << ' ' << values[k];
		std::cout << '\n';
	}
}

int main()
{
	evaluate(0);
	try {
		evaluate(3); /* there are classes 0 to 2 */
	} catch (const std::runtime_error &error) {
		std::cout << "error " << error.what() << '\n';
	}
	return 0;
}
