using System.CommandLine;
using Rollout.Host.Invocation;

namespace Rollout.Host.Commands;

/// <summary>The options of the engine, which generate and bench share.</summary>
internal sealed class EngineArguments
{
    private readonly Option<string?> _engine =
        OptionKinds.OneOf("--engine", "The KV cache: shared blocks, or the padded baseline (default: paged).", "paged", "contiguous");

    private readonly Option<string?> _device = OptionKinds.Device();

    private readonly Option<string?> _dtype =
        OptionKinds.OneOf("--dtype", "The type of weights and KV cache (default: float32).", "float32", "bfloat16");

    private readonly Option<int?> _blockSize = OptionKinds.Number("--block-size", "Tokens in a KV block (default: 16).", least: 1);
    private readonly Option<int?> _kvBlocks = OptionKinds.Number("--kv-blocks", "KV blocks in the pool (default: those of 4 GiB, on a GPU of its free memory).", least: 1);
    private readonly Option<int?> _maxNumSeqs =
        OptionKinds.Number("--max-num-seqs", "The most sequences that run at once (default: 256, on a GPU 512).", least: 1);

    public void AddTo(Command command)
    {
        Option[] options = [_engine, _device, _dtype, _blockSize, _kvBlocks, _maxNumSeqs];
        foreach (var option in options)
            command.Options.Add(option);
    }

    public EngineOptions Read(ParseResult parsed) => new()
    {
        Engine = parsed.GetValue(_engine),
        Device = parsed.GetValue(_device),
        Dtype = parsed.GetValue(_dtype),
        BlockSize = parsed.GetValue(_blockSize),
        KvBlocks = parsed.GetValue(_kvBlocks),
        MaxNumSeqs = parsed.GetValue(_maxNumSeqs),
    };
}
