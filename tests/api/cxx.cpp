// cxx.cpp: include/kvik.h is clean C++; it only has to compile and link.
#include <kvik.h>

int main()
{
	kvik_cache_params params = kvik_cache_params_default();
	kvik_err err;
	kvik_model *model = nullptr;
	int rc = kvik_model_load(&model, "tests/no-such-model.gguf", nullptr, &err);
	return rc == KVIK_ERR_IO && model == nullptr && params.chunk > 0 ? 0 : 1;
}
