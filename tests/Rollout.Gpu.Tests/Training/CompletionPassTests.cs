using Rollout.Gpu.Models;
using Rollout.Gpu.Training;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

public sealed class CompletionPassTests
{
    private static readonly TokenSequence[] Sequences =
    [
        new([1, 2, 3, 4, 5], [6, 7, 8]),
        new([9], [10, 11, 12, 13]),
        new([14, 15], [16]),
    ];

    [Theory]
    [InlineData(1.0, 1)]
    [InlineData(1.0, 3 * TinyModel.Vocabulary)]
    [InlineData(0.7, 1000 * TinyModel.Vocabulary)]
    public void Logprobs_equal_a_whole_softmax_of_each_sequence_alone(double temperature, int logitElements)
    {
        using var model = TinyModel.Create();
        using var input = Input();

        using var actual = new CompletionPass(model, temperature, logitElements).Logprobs(input);

        var expected = Sequences.SelectMany(sequence => Expected(model, sequence, temperature)).ToArray();
        Assert.Equal(expected.Length, actual.size(0));
        foreach (var (one, other) in expected.Zip(actual.data<float>().ToArray()))
            Assert.Equal(one, other, 1e-5);
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(3 * TinyModel.Vocabulary, true)]
    [InlineData(3 * TinyModel.Vocabulary, false)]
    [InlineData(1000 * TinyModel.Vocabulary, true)]
    public void Gradients_in_chunks_equal_those_of_the_whole_graph(int logitElements, bool tied)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create(tied: tied);
        using var input = Input();
        var slopes = linspace(-1, 2, input.TargetCount); // an arbitrary dLoss/dlogprob

        var hidden =
            model.Hidden(input.Tokens, input.Positions, new SdpaAttention(input.RowCount, input.Width));
        var logits = model.Logits(hidden) / 0.8;
        var whole =
            logits.log_softmax(-1).index_select(0, input.Sources).gather(1, input.Targets.unsqueeze(1));
        (whole.squeeze(1) * slopes).sum().backward();
        var expected = TinyModel.Gradients(model);
        model.zero_grad();
        new CompletionPass(model, 0.8, logitElements)
            .Backward(input, atOnce: false, (logprobs, start) => slopes.narrow(0, start, logprobs.size(0)));

        foreach (var (one, other) in expected.Zip(TinyModel.Gradients(model)))
            Assert.Equal(one, other, 1e-5);
        Assert.Contains(expected, value => Math.Abs(value) > 0.01);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3 * TinyModel.Vocabulary)]
    [InlineData(1000 * TinyModel.Vocabulary)]
    public void A_loss_that_couples_tokens_sees_all_of_them_once_in_any_chunks(int logitElements)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var input = Input();
        var given = new List<float[]>();
        Tensor Product(Tensor logprobs, int start)
        {
            given.Add(logprobs.data<float>().ToArray());
            return ones_like(logprobs) * logprobs.sum().exp(); // of exp(Σ log π)
        }

        var logprobs = new CompletionPass(model, 0.8, 1000 * TinyModel.Vocabulary).Logprobs(input);
        var slopes = ones_like(logprobs) * logprobs.sum().exp();
        new CompletionPass(model, 0.8, 1000 * TinyModel.Vocabulary)
            .Backward(input, atOnce: false, (_, _) => slopes);
        var expected = TinyModel.Gradients(model);
        model.zero_grad();
        new CompletionPass(model, 0.8, logitElements).Backward(input, atOnce: true, Product);

        Assert.Equal(input.TargetCount, Assert.Single(given).Length);
        foreach (var (one, other) in expected.Zip(TinyModel.Gradients(model)))
            Assert.Equal(one, other, 1e-5 * slopes[0].item<float>());
    }

    [Fact]
    public void A_gradient_has_the_slope_of_the_loss()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var input = Input();
        var pass = new CompletionPass(model, temperature: 0.9, logitElements: 2 * TinyModel.Vocabulary);

        pass.Backward(input, atOnce: false, (logprobs, _) => ones_like(logprobs));

        using var noGradient = no_grad();
        foreach (var parameter in model.parameters())
        {
            // Along its own gradient, so that the difference stands out from float32's rounding.
            var direction = parameter.grad! / parameter.grad!.norm();
            var slope = (parameter.grad! * direction).sum().item<float>();
            double Moved(double by)
            {
                parameter.add_(direction, by);
                var sum = pass.Logprobs(input).sum().item<float>();
                parameter.add_(direction, -by);
                return sum;
            }

            var measured = (Moved(5e-3) - Moved(-5e-3)) / 1e-2;
            Assert.Equal(slope, measured, Math.Max(2e-2, 2e-2 * slope));
        }
    }

    [Fact]
    public void What_padding_holds_changes_nothing()
    {
        using var model = TinyModel.Create();
        using var input = Input();
        using var wider = new MicroBatchInput(Sequences, input.Width + 5, CPU);
        wider.Tokens.masked_fill_(wider.Tokens == 0, 22);
        var pass = new CompletionPass(model, temperature: 1, logitElements: 1000);

        using var narrow = pass.Logprobs(input);
        using var wide = pass.Logprobs(wider);

        foreach (var (one, other) in narrow.data<float>().ToArray().Zip(wide.data<float>().ToArray()))
            Assert.Equal(one, other, 1e-5);
    }

    private static MicroBatchInput Input() =>
        new(Sequences, Sequences.Max(sequence => sequence.InputLength), CPU);

    private static double[] Expected(CausalLm model, TokenSequence sequence, double temperature)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        long[] tokens = [.. sequence.Prompt.Concat(sequence.Completion)];
        var hidden = model.Hidden(tensor(tokens), arange(tokens.Length), new SdpaAttention(1, tokens.Length));
        var logits = model.Logits(hidden).to_type(ScalarType.Float64).data<double>().ToArray();
        return
        [
            .. sequence.Completion.Select((token, t) =>
            {
                var source = sequence.Prompt.Length + t - 1;
                var row = logits.Chunk(TinyModel.Vocabulary).ElementAt(source);
                var scaled = row.Select(logit => logit / temperature).ToArray();
                return scaled[token] - Math.Log(scaled.Sum(Math.Exp));
            }),
        ];
    }
}
