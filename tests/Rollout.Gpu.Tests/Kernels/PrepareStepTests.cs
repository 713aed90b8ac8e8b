using Rollout.Gpu.Contracts;
using Rollout.Gpu.Kernels;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Kernels;

[Collection(GpuTests.Name)]
public sealed class PrepareStepTests(GpuFixture gpu) : GpuTest(gpu)
{
    [Theory]
    [InlineData(64, 16, ScalarType.BFloat16)]
    [InlineData(8, 5, ScalarType.Float32)]
    public void Tokens_positions_slots_and_angles_follow_from_the_rows(int headDim, int blockSize, ScalarType dtype)
    {
        var shape = new KernelShape(headDim, 4, 2, blockSize, dtype);
        PrefixFamilies.Row[] rows = [new(1, 1), new(700, 1), new(33, 33), new(90, 12), new(2, 1), new(5000, 3)];
        var batch = PrefixFamilies.Of(rows, blockSize, new Random(1), out _);
        for (var token = 0; token < batch.TokenCount; token++)
            batch.TokenIds[token] = token % 3 == 0 ? ~(token % 5) : 100 + token;
        int[] sampled = [31, 32, -1, 34, 35];
        var padded = batch.TokenCount + 6;
        var frequencies = new RopeSettings { Theta = 1e6 }.InverseFrequencies(headDim);
        var kernels = Kernels(shape);
        var layout = new StepInputs(
            new StepCapacity(padded, rows.Length + 2, 1, 0, batch.BlockTables.Length, kernels.Attention.Parts), shape);
        var buffer = new int[layout.Ints];
        new StepInputsBuilder(new AttentionSchedule(shape, kernels.Attention.Parts)).Write(batch, layout, buffer);

        Tensor NewInts() => full([padded], -7, ScalarType.Int32, CUDA);
        var (tokens, positions, slots) = (NewInts(), NewInts(), NewInts());
        var angles = Poisoned(ScalarType.Float32, padded, headDim / 2, 2);
        var prepared = new PreparedTokens(At(tokens), At(positions), At(slots), At(angles));
        var (inputs, before) = (Upload(buffer), OnDevice(sampled));
        var deviceFrequencies = tensor(frequencies).cuda();
        kernels.Prepare.Launch(Stream, layout, At(inputs), At(before), At(deviceFrequencies), prepared, padded);

        var (actualTokens, actualSlots, actualAngles) = (Ints(tokens), Ints(slots), Read(angles));
        var expectedPositions = Positions(batch).Concat(new int[6]).ToArray();
        Assert.Equal(expectedPositions, Ints(positions));
        for (var token = 0; token < padded; token++)
        {
            var isPadding = token >= batch.TokenCount;
            var id = isPadding ? 0 : batch.TokenIds[token];
            Assert.Equal(id >= 0 ? id : Math.Max(sampled[~id], 0), actualTokens[token]);
            Assert.Equal(isPadding ? -1 : SlotOf(batch, token, blockSize), actualSlots[token]);
        }

        var expected = tensor(expectedPositions).view(-1, 1).mul(tensor(frequencies).view(1, -1)); // radians
        foreach (var (index, values) in new[] { (0, expected.cos()), (1, expected.sin()) })
        {
            var difference = (actualAngles.select(2, index) - values.to(dtype).to(ScalarType.Float32)).abs().max().ToDouble();
            Assert.InRange(difference, 0, dtype == ScalarType.BFloat16 ? 4e-3 : 1e-6);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(6)]
    public void A_step_without_tokens_prepares_only_its_padding(int padded)
    {
        var shape = PlainShape(ScalarType.BFloat16);
        var kernels = Kernels(shape);
        var layout = new StepInputs(new StepCapacity(8, 2, 1, 0, 4, kernels.Attention.Parts), shape);
        var buffer = new int[layout.Ints];
        var nothing = new ForwardBatch { QueryStart = [0], BlockTableStart = [0] };
        new StepInputsBuilder(new AttentionSchedule(shape, kernels.Attention.Parts)).Write(nothing, layout, buffer);
        Tensor NewInts() => full([8], -7, ScalarType.Int32, CUDA);
        var (tokens, positions, slots) = (NewInts(), NewInts(), NewInts());
        var angles = Poisoned(ScalarType.Float32, 8, shape.HeadDim / 2, 2);
        var prepared = new PreparedTokens(At(tokens), At(positions), At(slots), At(angles));
        var inputs = Upload(buffer);
        var frequencies = ones([shape.HeadDim / 2], device: CUDA);

        kernels.Prepare.Launch(Stream, layout, At(inputs), At(inputs), At(frequencies), prepared, padded);

        int[] Then(int value) => [.. Enumerable.Repeat(value, padded), .. Enumerable.Repeat(-7, 8 - padded)];
        Assert.Equal(Then(0), Ints(tokens));
        Assert.Equal(Then(0), Ints(positions));
        Assert.Equal(Then(-1), Ints(slots));
        Assert.Equal(8 - padded, Read(angles).isnan().all(1).all(1).sum().ToInt64());
    }

    internal static int[] Positions(ForwardBatch batch) => [.. Enumerable.Range(0, batch.RowCount).SelectMany(row =>
    {
        var tokens = batch.QueryStart[row + 1] - batch.QueryStart[row];
        return Enumerable.Range(batch.ContextLengths[row] - tokens, tokens);
    })];

    internal static int SlotOf(ForwardBatch batch, int token, int blockSize)
    {
        var row = Enumerable.Range(0, batch.RowCount).Last(r => batch.QueryStart[r] <= token);
        var position = batch.ContextLengths[row] - (batch.QueryStart[row + 1] - token);
        var block = batch.BlockTables[batch.BlockTableStart[row] + (position / blockSize)];
        return (block * blockSize) + (position % blockSize);
    }
}
