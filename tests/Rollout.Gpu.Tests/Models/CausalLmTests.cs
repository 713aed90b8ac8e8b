using FsCheck.Fluent;
using Rollout.Gpu.Models;
using Rollout.Gpu.Tests.Support;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Models;

public sealed class CausalLmTests
{
    private static readonly long[] Row = [3, 14, 15, 9, 26, 5, 35];

    [Fact]
    public void Padding_to_the_right_never_changes_what_comes_before_it()
    {
        using var models = new DisposableModels();
        Prop.ForAll(
            Gen.Choose(0, TinyModels.All.Length - 1).ToArbitrary(),
            Gen.Choose(1, 9).ToArbitrary(),
            Gen.Choose(0, 36).ToArbitrary(),
            (which, padding, pad) =>
            {
                using var scope = NewDisposeScope();
                var model = models[which];
                var plain = TinyModels.Logits(model, Row);
                var padded = TinyModels.Logits(model, [.. Row, .. Enumerable.Repeat((long)pad, padding)]);
                return allclose(plain[0], padded[0, TensorIndex.Slice(0, Row.Length)], atol: 1e-4);
            }).Holds();
    }

    [Fact]
    public void Rows_of_a_batch_do_not_see_each_other()
    {
        using var model = TinyModels.Random(TinyModels.Qwen3);
        using var scope = NewDisposeScope();
        long[] other = [1, 1, 2, 3, 5, 8, 13];
        var together = TinyModels.Logits(model, other, Row);

        Assert.True(allclose(TinyModels.Logits(model, Row)[0], together[1], atol: 1e-4));
        Assert.True(allclose(TinyModels.Logits(model, other)[0], together[0], atol: 1e-4));
    }

    [Fact]
    public void Every_weight_affects_the_logits_and_changes_in_place()
    {
        foreach (var config in TinyModels.All)
        {
            using var model = TinyModels.Random(config);
            using var scope = NewDisposeScope();
            var before = TinyModels.Logits(model, Row);
            foreach (var weight in model.CheckpointTensors())
            {
                using var inner = NewDisposeScope();
                var view = weight.View();
                var kept = view.clone();
                view.add_(rand_like(view), 0.5f);
                Assert.False(allclose(before, TinyModels.Logits(model, Row), atol: 1e-5), weight.Name);
                view.copy_(kept);
            }

            Assert.True(before.Equals(TinyModels.Logits(model, Row)));
        }
    }

    [Fact]
    public void Gradients_are_the_slopes_of_the_loss()
    {
        foreach (var config in TinyModels.All)
        {
            using var model = TinyModels.Random(config);
            Loss(model).backward();
            foreach (var (name, parameter) in model.named_parameters())
                CheckSlope(model, name, parameter);
        }
    }

    [Fact]
    public void A_forward_pass_leaves_no_tensor_behind_with_or_without_autograd()
    {
        using var model = TinyModels.Random(TinyModels.Qwen3);
        using var ids = tensor(Row);
        using var positions = TinyModels.Positions(1, Row.Length);
        var attention = new SdpaAttention(1, Row.Length);
        var statistics = DisposeScopeManager.Statistics.TensorStatistics;

        foreach (var trains in (bool[])[false, true])
        {
            using var mode = set_grad_enabled(trains);
            var before = statistics.ThreadTotalLiveCount;
            using (var hidden = model.Hidden(ids, positions, attention))
            using (var logits = model.Logits(hidden))
            {
                Assert.Equal([Row.Length, TinyModels.Qwen3.VocabSize], logits.shape);
                Assert.Equal(before + 2, statistics.ThreadTotalLiveCount);
            }

            Assert.Equal(before, statistics.ThreadTotalLiveCount);
        }
    }

    [Fact]
    public void A_pass_that_throws_leaves_no_tensor_behind()
    {
        using var model = TinyModels.Random(TinyModels.Qwen3);
        using var ids = tensor(Row);
        using var positions = TinyModels.Positions(1, Row.Length);
        var statistics = DisposeScopeManager.Statistics.TensorStatistics;
        var before = statistics.ThreadTotalLiveCount;

        Assert.Throws<InvalidOperationException>(() => model.Hidden(ids, positions, new BrokenAttention()));
        Assert.Equal(before, statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void The_optimizer_sees_one_leaf_for_projections_of_the_same_input()
    {
        using var model = new CausalLm(TinyModels.LlamaWithBiases, ScalarType.Float32, CPU);
        var names = model.named_parameters().Select(pair => pair.name).ToArray();

        Assert.Contains("model.layers.1.self_attn.qkv_proj.weight", names);
        Assert.Contains("model.layers.1.mlp.gate_up_proj.bias", names);
        Assert.Contains("lm_head.weight", names);
        Assert.Equal(1 + 1 + 1 + 2 * (2 + 2 + 2 + 2 + 2), names.Length);
        Assert.All(model.parameters(), parameter =>
            Assert.True(parameter.requires_grad && parameter.is_leaf));
        Assert.Equal(
            model.parameters().Sum(parameter => parameter.numel()),
            model.CheckpointTensors().Sum(weight => weight.ElementCount));
    }

    [Fact]
    public void Checkpoint_names_are_those_of_transformers()
    {
        using var model = new CausalLm(TinyModels.Qwen3, ScalarType.Float32, CPU);
        string[] ofLayer =
        [
            "input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.q_norm",
            "self_attn.k_norm", "self_attn.o_proj", "post_attention_layernorm", "mlp.gate_proj",
            "mlp.up_proj", "mlp.down_proj",
        ];

        Assert.Equal(
            [
                "model.embed_tokens.weight",
                .. ofLayer.Select(name => $"model.layers.0.{name}.weight"),
                .. ofLayer.Select(name => $"model.layers.1.{name}.weight"),
                "model.norm.weight",
            ],
            model.CheckpointTensors().Select(weight => weight.Name));
    }

    [Fact]
    public void Bfloat16_weights_give_nearly_the_logits_of_single_precision()
    {
        using var single = TinyModels.Random(TinyModels.Qwen3);
        using var half = TinyModels.Random(TinyModels.Qwen3, dtype: ScalarType.BFloat16);
        using var scope = NewDisposeScope();
        var expected = TinyModels.Logits(single, Row);
        var actual = TinyModels.Logits(half, Row);
        var error = (expected - actual).square().mean().sqrt().item<float>() / expected.std().item<float>();

        Assert.InRange(error, 1e-5, 0.05);
    }

    private static Tensor Loss(CausalLm model)
    {
        using var scope = NewDisposeScope();
        var hidden = model.Hidden(
            tensor(Row), TinyModels.Positions(1, Row.Length), new SdpaAttention(1, Row.Length));
        var logprobs = model.Logits(hidden).log_softmax(-1);
        return logprobs[TensorIndex.Ellipsis, 7].mean().MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Central difference along the gradient: (L(w + hd) − L(w − hd)) / 2h = |g| for d = g / |g|.
    /// </summary>
    private static void CheckSlope(CausalLm model, string name, Tensor parameter)
    {
        const double h = 2e-3;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var gradient = parameter.grad;
        Assert.NotNull(gradient);
        var length = gradient.norm().item<float>();
        var step = gradient * (h / length);
        var values = parameter.clone();
        parameter.add_(step);
        var above = Loss(model).item<float>();
        parameter.copy_(values).sub_(step);
        var below = Loss(model).item<float>();
        parameter.copy_(values);

        var slope = (above - below) / (2 * h);
        Assert.True(Math.Abs(slope - length) < 0.02 * length + 2e-3,
            $"{name}: slope {slope}, gradient {length}");
    }

    private sealed class BrokenAttention : IAttentionBackend
    {
        public Tensor Attend(int layer, Tensor query, Tensor key, Tensor value) =>
            layer == 0 ? query.clone() : throw new InvalidOperationException("a fault in the second layer");
    }

    private sealed class DisposableModels : IDisposable
    {
        private readonly CausalLm[] _models = [.. TinyModels.All.Select(config => TinyModels.Random(config))];

        public CausalLm this[int index] => _models[index];

        public void Dispose() => Array.ForEach(_models, model => model.Dispose());
    }
}
