using Rollout.Gpu.Models;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Models;

public sealed class SdpaAttentionTests
{
    [Fact]
    public void Attention_is_causal_softmax_within_each_row_with_grouped_queries()
    {
        const int batch = 2, length = 5, heads = 6, kvHeads = 2, headDim = 4;
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        var query = randn([batch * length, heads, headDim], generator: generator);
        var key = randn([batch * length, kvHeads, headDim], generator: generator);
        var value = randn([batch * length, kvHeads, headDim], generator: generator);

        var attended = new SdpaAttention(batch, length).Attend(0, query, key, value);

        Assert.Equal([batch * length, heads, headDim], attended.shape);
        for (var token = 0; token < batch * length; token++)
        {
            var first = token / length * length;
            for (var head = 0; head < heads; head++)
            {
                var kvHead = head / (heads / kvHeads);
                var seen = TensorIndex.Slice(first, token + 1);
                var scores = key[seen, kvHead].mv(query[token, head]) / Math.Sqrt(headDim);
                var expected = value[seen, kvHead].t().mv(scores.softmax(0));
                Assert.True(allclose(expected, attended[token, head], atol: 1e-5),
                    $"token {token}, head {head}");
            }
        }
    }

    [Fact]
    public void A_single_token_attends_to_itself()
    {
        using var scope = NewDisposeScope();
        var value = rand(1, 2, 4);
        var attended = new SdpaAttention(1, 1).Attend(0, rand(1, 4, 4), rand(1, 2, 4), value);

        Assert.True(allclose(value.repeat_interleave(2, 1), attended));
    }
}
